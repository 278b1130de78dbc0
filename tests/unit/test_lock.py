"""The lock in requirements/ agrees with pyproject.toml, and a change of only one of them is found."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tandem.runtimes import runtimes
from tests import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NAME = PROJECT["project"]["name"]
EXTRAS = ("embedded", "bench", "telemetry", "gcp", "protobuf", "rehearsal", "docs", "test", "check", "lock")
FILES = (*EXTRAS, "spark", "mongod", "build")
# One package: its name, version and marker, its hashes, and who asks for it.
_PACKAGE = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\\n]+)?(?P<hashes>(?: \\\n {4}--hash=sha256:[0-9a-f]{64})+)"
    r"\n {4}# via (?P<via>[^\n]+)\n"
)


@dataclass(frozen=True)
class Locked:
    version: str
    via: tuple[str, ...]


def read(text: str) -> dict[str, list[Locked]]:
    """Returns the locked packages; fails if the file holds anything else, such as an address or a missing hash."""
    packages: dict[str, list[Locked]] = {}
    for found in _PACKAGE.finditer(text):
        one = Locked(found["version"], tuple(name.strip() for name in found["via"].split(",")))
        packages.setdefault(found["name"], []).append(one)
    rest = [line for line in _PACKAGE.sub("", text).splitlines() if not line.startswith("# ")]
    assert rest == []
    return packages


@cache
def lock(file: str) -> dict[str, list[Locked]]:
    return read((ROOT / "requirements" / f"{file}.txt").read_text("utf-8"))


def asked_for(project: dict[str, Any], file: str) -> list[Requirement]:
    """Returns what pyproject.toml asks for, where it asks for it by name."""
    extras = project["project"]["optional-dependencies"]
    if file == "build":
        return [Requirement(text) for text in project["dependency-groups"]["build"]]
    own = [] if file in ("spark", "mongod") else project["project"]["dependencies"]
    todo, found = [file] if file in extras else [], [Requirement(text) for text in own]
    while todo:
        for requirement in map(Requirement, extras[todo.pop()]):
            if requirement.name == NAME:
                todo.extend(requirement.extras)
            else:
                found.append(requirement)
    return found


def differences(project: dict[str, Any], file: str, packages: dict[str, list[Locked]]) -> list[str]:
    """Returns what is locked in another way than asked for; nothing if both agree."""
    asked = asked_for(project, file)
    wrong = [
        str(requirement)
        for requirement in asked
        if not (found := packages.get(canonicalize_name(requirement.name)))
        or not all(one.version in requirement.specifier for one in found)
    ]
    names = {canonicalize_name(requirement.name) for requirement in asked}
    direct = {
        name for name, each in packages.items() if any("pyproject.toml" in via for one in each for via in one.via)
    }
    return wrong + [f"{name} is not asked for" for name in sorted(direct - names)]


def missing(asked: list[Requirement], packages: dict[str, list[Locked]]) -> set[str]:
    """Returns what the installed packages require and what is not locked."""
    todo = [(canonicalize_name(each.name), frozenset({"", *each.extras})) for each in asked]
    seen, absent = set(todo), set()
    while todo:
        name, extras = todo.pop()
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        if installed.version not in [one.version for one in packages.get(name, ())]:
            continue
        for requirement in map(Requirement, installed.requires or ()):
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                key = (canonicalize_name(requirement.name), frozenset({"", *requirement.extras}))
                absent |= {key[0]} - packages.keys()
                todo += [key] if key not in seen else []
                seen.add(key)
    return absent


@pytest.mark.parametrize("file", FILES)
def test_what_is_asked_for_is_locked_and_nothing_else(file: str) -> None:
    assert differences(PROJECT, file, lock(file)) == []
    if file != "mongod":
        assert missing(asked_for(PROJECT, file), lock(file)) == set()


def test_a_change_of_pyproject_alone_is_found() -> None:
    def changed(**tables: Any) -> list[str]:
        return differences({**PROJECT, "project": {**PROJECT["project"], **tables}}, "telemetry", lock("telemetry"))

    own: list[str] = PROJECT["project"]["dependencies"]
    assert changed(dependencies=[*own, "jinja2>=3"]) == ["jinja2>=3"]
    assert changed(dependencies=[text.replace("rich>=13.9", "rich>=99") for text in own]) == ["rich>=99"]
    assert changed(dependencies=[text for text in own if "rich" not in text]) == ["rich is not asked for"]


def test_what_an_extra_of_a_package_needs_is_locked() -> None:
    without = {name: found for name, found in lock("telemetry").items() if name != "zstandard"}
    assert missing(asked_for(PROJECT, "telemetry"), without) == {"zstandard"}


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://example.org/simple\n",
        "rich==15.0.0\n    # via pyproject.toml\n",
        "rich @ https://example.org/rich-15.0.0-py3-none-any.whl \\\n    --hash=sha256:" + "0" * 64 + "\n",
    ],
)
def test_an_address_or_a_package_without_hash_is_found(text: str) -> None:
    with pytest.raises(AssertionError):
        read(text)


@pytest.mark.parametrize("file", FILES)
def test_all_files_have_the_same_versions(file: str) -> None:
    def versions(found: list[Locked]) -> set[str]:
        return {one.version for one in found}

    other = [
        name for name, found in lock(file).items() if not versions(found) <= versions(lock("check").get(name, found))
    ]
    assert other == []


def test_the_locked_pyspark_is_the_runtimes() -> None:
    assert [one.version for one in lock("spark")["pyspark"]] == [runtimes().default.spark]


def test_a_project_gets_the_locked_versions() -> None:
    text = (ROOT / "src/tandem/scaffold/project_files/constraints.txt").read_text("utf-8")
    found = dict(line.split("==") for line in text.splitlines() if not line.startswith("#"))
    files = ("embedded", "telemetry", "gcp", "protobuf")
    wanted = {name: each.version for file in files for name, found in lock(file).items() for each in found}
    wanted |= {name: lock("test")[name][0].version for name in ("iniconfig", "packaging", "pluggy", "pytest")}
    assert found == wanted
    # A newer version of one package is found.
    assert found | {"fastapi": "999"} != wanted


def test_the_constraints_of_a_project_are_no_hashes_and_are_used() -> None:
    folder = ROOT / "src/tandem/scaffold/project_files"
    # With hashes, pip would refuse Tandem, which has none.
    assert "--hash" not in (folder / "constraints.txt").read_text("utf-8")
    assert "-c constraints.txt" in (folder / "requirements.txt").read_text("utf-8").splitlines()
