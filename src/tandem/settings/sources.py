"""The settings as they are put together from their sources: the class that reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from tandem.catalog import names_in
from tandem.settings.model import Settings


class Loaded(Settings, BaseSettings):
    """Settings whose sources are read when one is made; ``settled`` returns the plain value."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="TANDEM_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        nested_model_default_partial_update=True,
        populate_by_name=True,
    )

    # Under the names that other tools know.
    ca: Path | None = Field(
        default=None, validation_alias=AliasChoices("TANDEM_CA", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    )
    # A setting of the machine, not of Tandem, so it keeps the name that every Java program knows.
    java_home: Path | None = Field(default=None, validation_alias=AliasChoices("TANDEM_JAVA_HOME", "JAVA_HOME"))

    @field_validator("pipeline", mode="before")
    @classmethod
    def _the_first(cls, text: str) -> str:
        return names_in(text)[0]


def settled(loaded: Loaded) -> Settings:
    """Returns the settings with absolute paths, and with this profile's folder where a profile has ``{home}``."""
    # What no source has set stays unset (`load.missing_of`), but for paths, whose defaults are relative.
    paths = {name: value for name, value in loaded if isinstance(value, Path)}
    home = _absolute(loaded.state_dir) / loaded.profile

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: of(inner) for key, inner in value.items()}
        if isinstance(value, str):
            return value.replace("{home}", str(home))
        return _absolute(Path(of(str(value)))) if isinstance(value, Path) else value

    values = of({**loaded.model_dump(exclude_unset=True), **paths})
    for section in (values["kafka"], values["mongo"]):
        kind, _, place = (section.get("password") or "").partition(":")
        if kind == "file":
            section["password"] = f"file:{_absolute(Path(location))}"
    return Settings.model_validate(values)


def of_variables(settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> EnvSettingsSource:
    """Returns a source of these variables; it ignores empty ones and those of other programs."""
    source = EnvSettingsSource(settings_cls)
    source.env_vars = {name.lower(): value for name, value in variables.items() if value}
    return source


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()
