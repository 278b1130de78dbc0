"""The variables of the environment and of ``.env.<profile>``: read, and checked for names that mean no setting."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, get_origin

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel

from tandem.errors import UsageError
from tandem.settings.model import Settings

PREFIX = "TANDEM_"
# No settings: Compose interpolates these, and `scripts/` read the last one.
_OTHERS = (
    *("TANDEM_DEMO_RATE", "TANDEM_KAFKA_PASSWORD_FILE", "TANDEM_PIPELINES_MOUNT", "TANDEM_UI__HISTORY_PORT"),
    *("TANDEM_VERSION", "TANDEM_VENV"),
)
# Which there are, the pipeline says; `settings.pipeline` checks them.
_PARAMETERS = "TANDEM_JOB__PARAMETERS"


def read_dotenv(file: Path) -> dict[str, str]:
    """Returns the variables in a file of lines ``NAME=value``; none when there is no such file.

    Raises:
        UsageError: it cannot be read, is no UTF-8, or has a line that is no assignment.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="it is a file of lines NAME=value") from None
    text = _text(file, content)
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise UsageError(
                f"{file}, line {binding.original.line}: not an assignment", hint="write NAME=value, one on each line"
            )
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}


def check(variables: Mapping[str, str], place: str) -> None:
    """Raises when a variable with our prefix is no setting, or holds a text where several values belong.

    Args:
        variables: with values; those of other programs are left alone.
        place: where they stand.

    Raises:
        UsageError: the message names the variable, the hint the nearest one that there is.
    """
    known = {variable(path): holds_several for path, holds_several in fields()} | dict.fromkeys(_OTHERS, False)
    # A secret may be in a variable of any name.
    named = {value.removeprefix("env:") for value in variables.values() if value.startswith("env:")}
    for name, value in variables.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(f"{_PARAMETERS}__") or name in named:
            continue
        if upper not in known:
            # Without what they all begin with, which would make any two alike.
            near = get_close_matches(upper.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in known), n=1)
            raise UsageError(
                f"{place} has {name}, which is no setting",
                hint=f"did you mean {PREFIX}{near[0]}?"
                if near
                else "remove it; `tandem config show` then lists all settings",
            )
        if known[upper] and value and not _is_object(value):
            raise UsageError(
                f"{name} in {place} must be a JSON object", hint=f"""for example {name}='{{"name": "value"}}'"""
            )


def without_parameters(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables less those that set a transform's parameters."""
    return {name: value for name, value in variables.items() if not name.upper().startswith(_PARAMETERS)}


def variable(path: Sequence[str]) -> str:
    """Returns the variable that sets a value, given the names that lead to it."""
    return PREFIX + "__".join(path).upper()


def fields() -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yields the names that lead to each setting and each section, and whether it holds several values."""
    for name, field in Settings.model_fields.items():
        section: Any = field.annotation
        nested = isinstance(section, type) and issubclass(section, BaseModel)
        yield (name,), nested or get_origin(section) is dict
        for inner, inner_field in section.model_fields.items() if nested else ():
            yield (name, inner), get_origin(inner_field.annotation) is dict


def _text(file: Path, content: bytes) -> str:
    try:
        # With or without a byte order mark.
        text = content.decode("utf-8-sig")
        position = text.find("\0")
    except UnicodeDecodeError as error:
        position = error.start
    # What has zeros has two bytes for each letter.
    if position >= 0:
        raise UsageError(f"{file} is not UTF-8: byte {position + 1}", hint="save the file as UTF-8")
    return text


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
