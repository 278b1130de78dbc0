"""What a pipeline wants of its environment: the file ``settings.toml`` in its folder, nested like the settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from tandem.catalog import PipelineLocation, find, names_in
from tandem.errors import UsageError
from tandem.settings.model import Settings

# The file in the pipeline's folder.
SETTINGS = "settings.toml"


class OfPipeline(PydanticBaseSettingsSource):
    """A source of settings for the pipeline that the sources before this one have chosen: the first that they name.

    Args:
        settings_cls: the settings' class.
        default: the pipeline when none of them names one.
    """

    def __init__(self, settings_cls: type[BaseSettings], *, default: str) -> None:
        super().__init__(settings_cls)
        self._default = default
        # What those sources have named, once this one was asked.
        self.named: tuple[str, ...] = (default,)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns nothing: the values come all at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Returns the values; a pipeline that names no database gets one of its own name."""
        chosen = self.current_state
        own = Path(chosen.get("pipelines_dir") or Settings.model_fields["pipelines_dir"].default)
        self.named = names_in(str(chosen.get("pipeline") or self._default))
        name = self.named[0]
        values = _read(find(name, own.expanduser().absolute()))
        return {**values, "mongo": {"database": name, **values.get("mongo", {})}}


def typed_parameters(settings: Settings) -> Settings:
    """Returns the settings with the parameters in the types of the pipeline's own: the environment holds but text.

    Raises:
        UsageError: the pipeline has no such parameter, or one of another type.
    """
    known = _read(settings.location).get("job", {}).get("parameters", {})
    typed: dict[str, Any] = {}
    for name, value in settings.job.parameters.items():
        if name not in known:
            raise UsageError(
                f"pipeline {settings.pipeline} has no parameter {name!r}",
                hint=f"it has: {', '.join(sorted(known)) or 'none'}",
            )
        kind = type(known[name])
        try:
            # By pydantic: Python's own bool takes any text for true, and int cuts off what it cannot hold.
            typed[name] = str(value) if kind is str else TypeAdapter(kind).validate_python(value)
        except ValidationError:
            raise UsageError(
                f"parameter {name} of pipeline {settings.pipeline} is {value!r}, not of type {kind.__name__}",
                hint=f"for example TANDEM_JOB__PARAMETERS__{name.upper()}={known[name]}",
            ) from None
    return settings.model_copy(update={"job": settings.job.model_copy(update={"parameters": typed})})


def _read(location: PipelineLocation) -> dict[str, Any]:
    file = location.folder / SETTINGS
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}", hint="it is a TOML file, like profiles.toml") from None
