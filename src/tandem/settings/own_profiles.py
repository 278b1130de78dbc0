"""Reads the user's file of profiles, and checks all profiles in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_origin

from tandem.errors import UsageError
from tandem.parsing import read_toml
from tandem.settings.sources import fields, is_section

# The keys of a profile's table that are no settings.
KEYS = ("like", "port_offset")
# Settings that a profile cannot set: the first comes from the profile in ``like``, the second from its name.
NOT_SET = ("backend", "profile")
# Google's labels, Compose's names and files contain the profile's name, so it must be short.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")
# Other folders beside the profiles' state folders.
TAKEN = ("bench", "containers", "results")
LARGEST_OFFSET = 30_000


def read(file: Path, packaged: Collection[str]) -> dict[str, dict[str, Any]]:
    """Returns the tables of the user's profiles by name.

    Empty if the file does not exist.

    Args:
        file: a TOML file of tables ``[profile.NAME]``.
        packaged: the names of the profiles that come with Tandem.

    Raises:
        UsageError: the file is wrong; the message names the file and the profile.
    """
    document = read_toml(file, "it is a TOML file of profiles, in UTF-8")
    for key in document:
        if key != "profile":
            raise UsageError(f"{file} has an unknown entry {key}", hint="did you mean [profile.NAME]?")
    tables = document.get("profile", {})
    if not (isinstance(tables, dict) and all(isinstance(table, dict) for table in tables.values())):
        raise UsageError(f"{file}: profile must be a table of profiles", hint='write [profile.NAME] and like = "gcp"')
    for name, table in tables.items():
        _check_name(name, packaged, file)
        _check_keys(name, table, file)
        _check_like(name, tables, packaged, file)
    return tables


def _check_name(name: str, packaged: Collection[str], file: Path) -> None:
    if name in packaged:
        raise UsageError(
            f"{file}: the profile {name} comes with Tandem and cannot be defined again",
            hint=f'choose another name, with like = "{name}"; or set the values in .env.{name}',
        )
    if name in TAKEN or not NAME.fullmatch(name):
        raise UsageError(
            f"{file}: {name!r} cannot be a profile's name",
            hint="labels, clusters and folders are named after it: use at most 30 lower-case letters, digits and "
            f"dashes, beginning with a letter and not ending with a dash, and not {' or '.join(TAKEN)}",
        )


def _check_like(name: str, tables: Mapping[str, Mapping[str, Any]], packaged: Collection[str], file: Path) -> None:
    """Raises unless ``like`` leads to a profile that comes with Tandem."""
    chain = [name]
    while chain[-1] not in packaged:
        here = chain[-1]
        like = tables[here].get("like")
        if like is None:
            raise UsageError(
                f"{file}: the profile {here} has no like, the profile to inherit from",
                hint=f'add like = "NAME" to [profile.{here}]; packaged profiles are {", ".join(packaged)}',
            )
        if like in chain:
            circle = " is like ".join([*chain[chain.index(like) :], like])
            raise UsageError(f"{file}: {circle}", hint="let one of them be like a profile that comes with Tandem")
        known = [*packaged, *tables]
        if like not in known:
            near = get_close_matches(str(like), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose one of: {', '.join(known)}"
            raise UsageError(f"{file}: the profile {here} is like {like!r}, which does not exist", hint=hint)
        chain.append(like)


def _check_keys(name: str, table: Mapping[str, Any], file: Path) -> None:
    kinds = dict(fields())
    for key, value in table.items():
        if key in KEYS:
            continue
        kind = kinds.get((key,))
        if kind is None or key in NOT_SET:
            _no_setting(name, key, file)
        if is_section(kind):
            _check_table(name, key, value, file)
            for inner in value:
                inner_kind = kinds.get((key, inner))
                if inner_kind is None:
                    _no_setting(name, f"{key}.{inner}", file)
                if get_origin(inner_kind) is dict:
                    _check_table(name, f"{key}.{inner}", value[inner], file)
        elif get_origin(kind) is dict:
            _check_table(name, key, value, file)
    if type(table.get("protected", False)) is not bool:
        raise UsageError(f"{file}: protected of the profile {name} is not true or false", hint="write true or false")
    offset = table.get("port_offset", 1)
    if type(offset) is not int or not 0 < offset <= LARGEST_OFFSET:
        raise UsageError(
            f"{file}: port_offset of the profile {name} is {offset!r}",
            hint=f"write a whole number from 1 to {LARGEST_OFFSET}; it is added to each port",
        )


def _check_table(name: str, key: str, value: Any, file: Path) -> None:
    if not isinstance(value, dict):
        raise UsageError(
            f"{file}: {key} of the profile {name} must be a table",
            hint=f"write [profile.{name}.{key}] and its settings",
        )


def _no_setting(name: str, key: str, file: Path) -> NoReturn:
    if key in NOT_SET:
        raise UsageError(
            f"{file}: the profile {name} sets {key}, which it inherits from the profile in like",
            hint=f"remove it, or change like in [profile.{name}]",
        )
    known = [*KEYS, *(".".join(path) for path, _ in fields() if path[0] not in NOT_SET)]
    near = get_close_matches(key, known, n=1)
    raise UsageError(
        f"{file}: the profile {name} has {key}, which is not a setting",
        hint=f"did you mean {near[0]}?" if near else "remove it; `tandem config show` lists all settings",
    )
