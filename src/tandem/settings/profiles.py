"""Reads the packaged profiles, and the user's own in ``tandem.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from tandem.checkout import PROFILES, STATE, project_root
from tandem.settings.model import Settings
from tandem.settings.own_profiles import KEYS, read
from tandem.settings.sources import fields, merged

# The user's file in the project, beside ``.env.<profile>`` and the folder of pipelines.
FILE = PROFILES
_PACKAGED = "profiles.toml"
# The settings that a profile does not inherit from another profile of the user.
_IDENTITY = ("environment", "project")


@dataclass(frozen=True)
class Profile:
    """One profile.

    Attributes:
        name: its name.
        like: the profile from which it inherits; None for none.
        file: the user's file that defines it; None if it comes with Tandem.
        layers: the sources of its values, and the values; the first source wins.
    """

    name: str
    like: str | None
    file: Path | None
    layers: tuple[tuple[str, Mapping[str, Any]], ...]

    @property
    def values(self) -> dict[str, Any]:
        """All values of the profile, nested like the settings, without those of the base."""
        return merged(*(values for _, values in reversed(self.layers)))

    @property
    def origin(self) -> str:
        """The source of the profile: ``packaged``, or the path of the user's file."""
        return "packaged" if self.file is None else str(self.file)


def base() -> dict[str, Any]:
    """Returns the values that all profiles share."""
    values: dict[str, Any] = _packaged()["base"]
    return values


def packaged_names() -> tuple[str, ...]:
    """Returns the names of the profiles that come with Tandem."""
    return tuple(_packaged()["profile"])


def own_file() -> Path:
    """Returns the path of the user's file of profiles, which may not exist."""
    return project_root() / FILE


def dotenv_file(profile: str) -> Path:
    """Returns the path of a profile's file of variables, which may not exist.

    In the current folder it is relative, for messages.
    """
    folder, file = project_root(), Path(f".env.{profile}")
    return file if folder == Path.cwd() else folder / file


def profiles() -> dict[str, Profile]:
    """Returns all profiles by name, those that come with Tandem first.

    Raises:
        UsageError: the user's file is wrong; the message names the file and the profile.
    """
    packaged = _packaged()["profile"]
    found: dict[str, Profile] = {}
    for name, values in packaged.items():
        like = found[values["like"]] if "like" in values else None
        layer = (f"{_PACKAGED} [profile.{name}]", _settings_of(values))
        found[name] = Profile(name, like.name if like else None, None, (layer, *(like.layers if like else ())))
    file = own_file()
    own = read(file, packaged)
    for name in own:
        _add(name, own, found, file)
    return found


def _add(name: str, own: Mapping[str, Mapping[str, Any]], found: dict[str, Profile], file: Path) -> Profile:
    """Adds one of the user's profiles, after the profile that it inherits from."""
    if name in found:
        return found[name]
    table = own[name]
    like = _add(table["like"], own, found, file)
    place = f"{FILE} [profile.{name}]"
    described = {"description": f"like {like.name}", **_settings_of(table)}
    layers: list[tuple[str, Mapping[str, Any]]] = [(place, described)]
    if offset := table.get("port_offset"):
        layers.append((f"{place} port_offset", _moved_ports(like, offset)))
    # Names derived from the profile's name override those of the packaged profile.
    named: list[tuple[str, Mapping[str, Any]]] = [
        ("the profile's name", {"environment": f"tandem-{name}"}),
        (f"beside {FILE}", {"state_dir": file.parent / STATE}),
    ]
    theirs = [(place, _inherited(values)) for place, values in like.layers if place.startswith(FILE)]
    packaged = [layer for layer in like.layers if layer[0].startswith(_PACKAGED)]
    found[name] = Profile(name, like.name, file, (*layers, *theirs, *named, *packaged))
    return found[name]


def _inherited(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that a profile passes on to those like it.

    Values that keep two environments apart are left out.
    """
    return {key: value for key, value in values.items() if key not in _IDENTITY}


def _moved_ports(like: Profile, offset: int) -> dict[str, Any]:
    """Returns a profile's ports plus the offset, nested like the settings."""
    values = merged(base(), like.values)
    moved: dict[str, Any] = {}
    for path, _ in fields():
        section, name = path[0], path[-1]
        if len(path) == 1 or not name.endswith("port"):
            continue
        default = Settings.model_fields[section].annotation.model_fields[name].default  # type: ignore[union-attr]
        port = values.get(section, {}).get(name, default)
        # A profile that does not use a port has no number there.
        if isinstance(port, int):
            moved = merged(moved, {section: {name: port + offset}})
    return moved


def _settings_of(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in KEYS}


def _packaged() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(_PACKAGED).read_text("utf-8"))
