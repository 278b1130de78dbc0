"""Settings with their origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tandem.errors import UsageError
from tandem.foreign.inheritance import add_to_this_process
from tandem.settings.model import FOUND, Settings
from tandem.settings.profiles import FILE, dotenv_file, profiles
from tandem.settings.sources import variable


@dataclass(frozen=True)
class LoadedSettings:
    """The loaded settings of a profile.

    Attributes:
        settings: the settings of the first named pipeline; required values may be missing, see ``complete``.
        pipelines: all named pipelines.
        origins: by ``section.key``, the variable, file or command line that sets a value; defaults have none.
        missing: the ``section.key`` of each required value that is not set, including those needed only to deploy.
        secrets: variables in ``.env.<profile>`` to which the settings refer.
    """

    settings: Settings
    pipelines: tuple[str, ...]
    origins: Mapping[str, str]
    missing: tuple[str, ...]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def complete(self) -> Settings:
        """Returns the settings for use.

        This process, and the programs that it starts, then find the secrets in variables.

        Raises:
            UsageError: a required value is not set; the message names the setting and the places.
        """
        require(self.settings, self.settings.required)
        add_to_this_process(self.secrets)
        return self.settings

    def shown(self) -> Settings:
        """Returns the settings for display, with names for missing values.

        A missing value is its own name in angle brackets.
        """
        add_to_this_process(self.secrets)
        settings = self.settings
        for section, _, key in (name.partition(".") for name in self.missing):
            named = getattr(settings, section).model_copy(update={key: f"<{section}.{key}>"})
            settings = settings.model_copy(update={section: named})
        return settings


def require(settings: Settings, names: Iterable[str]) -> None:
    """Raises if one of the settings, named ``section.key``, is not set.

    Raises:
        UsageError: the message names the setting and the places.
    """
    if missing := missing_of(settings, names):
        name, profile = missing[0], settings.profile
        raise UsageError(
            f"setting {name} of profile {profile} is required but not set ({places_tried(name.split('.'), profile)})",
            hint=f"`tandem --profile {profile} config show` lists all settings and the missing ones",
        )


def missing_of(settings: Settings, names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names that have no value, from settings named ``section.key``."""
    parts = (name.partition(".") for name in names)
    return tuple(
        f"{section}.{key}" for section, _, key in parts if key not in getattr(settings, section).model_fields_set
    )


def places_tried(path: Sequence[str], profile: str) -> str:
    """Returns the places that can set a value, for an error message."""
    dotenv = dotenv_file(profile)
    absent = "" if dotenv.exists() else " (not there)"
    known = profiles().get(profile)
    own = f"{FILE}, " if known and known.file else ""
    return f"looked at: {variable(path)}, {dotenv}{absent}, {own}profiles.toml, the pipeline's settings.toml"


def flat(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yields each value with its name ``section.key``."""
    return leaves(settings.model_dump(exclude=set(FOUND)))


def leaves(values: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    """Yields each value that is no dictionary, with its name ``section.key``."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{section}{key}.")
        else:
            yield f"{section}{key}", value
