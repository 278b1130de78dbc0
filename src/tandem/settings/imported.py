"""Writes a profile from the output of OpenTofu or Terraform to the user's file."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.engine.spark.secrets import is_reference
from tandem.errors import TandemError, UsageError
from tandem.parsing import parse_json
from tandem.settings.loaded import leaves
from tandem.settings.own_profiles import read
from tandem.settings.sources import merged

# The output with the settings; infra/outputs.tf defines it.
OUTPUT = "tandem_profile"
_LIKE = "gcp"
_PASSWORDS = (("kafka", "password"), ("kafka", "job_password"), ("mongo", "password"), ("mongo", "job_password"))
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class SettingChange:
    """One setting of a profile that an import would change.

    Attributes:
        name: the setting, as ``section.key``.
        before: its value in the file; None if it is not set there.
        after: the imported value.
    """

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        new = f"{self.name} = {json.dumps(self.after)}"
        if self.before is None:
            return new
        # The file may hold a secret in the place of a reference.
        hidden = tuple(self.name.split(".")) in _PASSWORDS and not is_reference(str(self.before))
        return f"{new} (was {'another value' if hidden else json.dumps(self.before)})"


@dataclass(frozen=True)
class Import:
    """A profile as an output describes it, and what it changes in a file.

    Attributes:
        name: the profile's name.
        table: the whole new table of the profile.
        changes: the settings that differ from the file.
    """

    name: str
    table: Mapping[str, Any]
    changes: tuple[SettingChange, ...]

    @property
    def overwrites(self) -> bool:
        """Whether it changes a value that the file sets."""
        return any(change.before is not None for change in self.changes)


def planned(text: str, file: Path, packaged: tuple[str, ...], name: str | None = None) -> Import:
    """Returns what the import of an output would change.

    Args:
        text: what ``terraform output -json`` prints, or ``terraform output -json tandem_profile``.
        file: the user's file of profiles, which may not exist.
        packaged: the names of the profiles that come with Tandem.
        name: the profile's name; None for the name in the output.

    Raises:
        UsageError: the output or the file is wrong.
    """
    found = _profile_in(text)
    name = name or str(found["name"])
    settings = {section: {**values} for section, values in found["settings"].items()}
    own_profiles = read(file, packaged)
    _check_like(name, own_profiles)
    known = own_profiles.get(name, {})
    for section in ("kafka", "mongo"):
        # This machine's copy of the secret, unless the user has named another one.
        own = known.get(section, {}).get("password", f"file:~/.secrets/{name}-{section}")
        settings.setdefault(section, {})["password"] = own
    _check_secrets(settings)
    table = merged({"like": _LIKE}, known, settings)
    before = dict(leaves(known))
    values = leaves(table)
    changes = tuple(SettingChange(key, before.get(key), value) for key, value in values if before.get(key) != value)
    return Import(name, table, changes)


def apply(plan: Import, file: Path, packaged: tuple[str, ...]) -> None:
    """Writes a planned profile to a file; the text of other profiles stays as it is.

    Raises:
        UsageError: the profile would be wrong, for example by its name.
        TandemError: the file cannot be written.
    """
    # A link stays a link.
    target = file.resolve()
    try:
        before = target.read_text("utf-8-sig") if target.exists() else ""
        text = "\n".join([*_without(before, plan.name), *_lines(("profile", plan.name), plan.table)]) + "\n"
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            new = Path(folder) / file.name
            new.write_text(text, "utf-8")
            if read(new, packaged) != {**read(file, packaged), plan.name: plan.table}:
                raise TandemError(f"{file} cannot be changed without loss", hint="write the printed settings yourself")
            if target.exists():
                shutil.copymode(target, new)
            new.replace(target)
    except OSError as error:
        raise TandemError(f"{file} cannot be written: {error.strerror}", hint="call it in a folder of yours") from None


def _profile_in(text: str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UsageError(
            f"the output is not JSON that can be read: {error}", hint=f"`terraform output -json {OUTPUT}`"
        ) from None
    if isinstance(document, dict) and isinstance(document.get(OUTPUT), dict):
        document = document[OUTPUT].get("value")
    complete = isinstance(document, dict) and isinstance(document.get("name"), str)
    sections = document.get("settings") if complete else None
    if not (isinstance(sections, dict) and all(isinstance(values, dict) for values in sections.values())):
        raise UsageError(
            f"there is no output {OUTPUT} with a name and settings", hint="run `terraform apply` in infra/"
        )
    found: dict[str, Any] = document
    return found


def _check_like(name: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises if a profile of the file inherits from another platform than Google's."""
    like = name
    while like in tables:
        like = tables[like]["like"]
    if name in tables and like != _LIKE:
        raise UsageError(
            f"the profile {name} is like {like}, and the output's settings are for one like {_LIKE}",
            hint="choose another name: --name NAME; nothing was changed",
        )


def _check_secrets(settings: Mapping[str, Mapping[str, Any]]) -> None:
    for section, key in _PASSWORDS:
        if not is_reference(str(settings.get(section, {}).get(key, "env:NONE"))):
            # The message does not repeat the value, which may be the secret itself.
            raise UsageError(
                f"{section}.{key} of the output is not a reference to a secret",
                hint="write gsm:projects/PROJECT/secrets/NAME there; nothing was changed",
            )


def _without(text: str, name: str) -> list[str]:
    """Returns the lines of a file of profiles without a profile's tables.

    Comments after the last key of a table stay.
    """
    kept: list[str] = []
    after: list[str] = []
    own = False
    header = re.compile(rf"\s*\[\s*profile\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*[.\]]")
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            own = bool(header.match(line))
            kept += _unspaced(after, kept)
            after = []
        if not own:
            kept.append(line)
        elif not line.strip() or line.lstrip().startswith("#"):
            after.append(line)
        else:
            after = []
    kept += _unspaced(after, kept)
    return [*kept, *([""] if kept and kept[-1].strip() else [])]


def _unspaced(lines: list[str], before: list[str]) -> list[str]:
    """Returns lines, the first ones not blank after a blank line or at the start."""
    blank = not before or not before[-1].strip()
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    return lines[first:] if blank else lines


def _lines(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    """Yields a table in TOML, and the tables in it after its values."""
    yield f"[{'.'.join(_key(part) for part in path)}]"
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    for key, value in table.items():
        if key not in inner:
            # JSON's strings, numbers, booleans and arrays of them are TOML, too.
            yield f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in inner.items():
        yield ""
        yield from _lines((*path, key), value)


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
