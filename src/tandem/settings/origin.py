"""Tells of each setting where its value comes from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel

from tandem.settings.model import Settings
from tandem.settings.sources import Loaded
from tandem.settings.variables import variable

COMMAND_LINE = "command line"
ENVIRONMENT = "environment"
MISSING = "missing"


def origins(settings: Settings, sources: Mapping[str, Callable[[], Mapping[str, Any]]]) -> dict[str, str]:
    """Returns of each value that some source has the place that won, by ``section.key``.

    Args:
        settings: made of these sources.
        sources: by place, the first one wins; each returns its values, nested like the settings.
    """
    found: dict[str, str] = {}
    for place, source in sources.items():
        for path, _ in _leaves(source()):
            first, *rest = path
            name, alias = _field(first)
            where = (alias or variable(path)) if place == ENVIRONMENT else place
            found.setdefault(".".join((name, *rest)), where)
    known = {name for name, _ in flat(settings)}
    return {name: place for name, place in found.items() if name in known}


def flat(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yields each value with its name ``section.key``."""
    for path, value in _leaves(settings):
        yield ".".join(path), value


def _leaves(values: BaseModel | Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in dict(values).items():
        if isinstance(value, BaseModel | Mapping):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _field(name: str) -> tuple[str, str | None]:
    """Returns the field that is meant by a name, and the variable when the field has several."""
    for field, info in Loaded.model_fields.items():
        if isinstance(info.validation_alias, AliasChoices) and name.upper() in info.validation_alias.choices:
            variables = (str(each) for each in info.validation_alias.choices)
            return field, next((each for each in variables if os.environ.get(each)), None)
    return name, None
