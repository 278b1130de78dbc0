"""The lock: every jar's coordinates and sha256, in the sets of ``runtimes.toml``."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tandem.errors import TandemError

_LINE = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+(:[\w.-]+)?(@[\w.]+)?")
JAR, ARCHIVE = "jar", "tar.gz"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD = "# Written by `python -m tandem.artifacts --relock`: group:artifact:version and sha256 of every jar.\n"


@dataclass(frozen=True, order=True)
class Jar:
    """One jar of the lock, or an archive with another ending."""

    group: str
    artifact: str
    version: str
    sha256: str
    classifier: str | None = None
    ending: str = JAR

    @property
    def coordinates(self) -> str:
        """``group:artifact:version``, then ``:classifier`` and ``@ending`` if it has them."""
        name = ":".join(filter(None, (self.group, self.artifact, self.version, self.classifier)))
        return name if self.ending == JAR else f"{name}@{self.ending}"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{'-'.join(filter(None, (self.artifact, self.version, self.classifier)))}.{self.ending}"


@dataclass(frozen=True)
class JarSet:
    """The jars of one class path."""

    name: str
    jars: tuple[Jar, ...]

    @property
    def digest(self) -> str:
        """A short digest of all coordinates and checksums; it changes when any jar does."""
        lines = "\n".join(f"{jar.coordinates} {jar.sha256}" for jar in self.jars)
        return hashlib.sha256(lines.encode()).hexdigest()[:16]


def lock_file() -> Path:
    """Returns the path of the installed lock."""
    return Path(str(resources.files("tandem").joinpath("jars.lock")))


def locked(text: str | None = None) -> Mapping[str, JarSet]:
    """Returns the sets of a lock by name.

    Args:
        text: the lock's text; None for the installed one.

    Raises:
        TandemError: the lock cannot be read; the message names the entry.
    """
    hint = "rewrite it with `python -m tandem.artifacts --relock`"
    try:
        document = tomllib.loads(lock_file().read_text("utf-8") if text is None else text)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TandemError(f"jars.lock cannot be read: {error}", hint=hint) from None
    sets = {}
    for name, entries in document.items():
        for coordinates, digest in entries.items():
            if not _LINE.fullmatch(coordinates) or not _SHA256.fullmatch(str(digest)):
                raise TandemError(f"jars.lock: {coordinates} in [{name}] is not coordinates and a sha256", hint=hint)
        sets[name] = JarSet(name, tuple(sorted(_jar(line, digest) for line, digest in entries.items())))
    return sets


def _jar(coordinates: str, digest: str) -> Jar:
    name, _, ending = coordinates.partition("@")
    group, artifact, version, *classifier = name.split(":")
    return Jar(group, artifact, version, digest, next(iter(classifier), None), ending or JAR)


def render(sets: Mapping[str, JarSet]) -> str:
    """Returns the text of a lock."""
    parts = [_HEAD]
    for name, jar_set in sets.items():
        parts.append(f"\n[{name}]\n")
        parts.extend(f'"{jar.coordinates}" = "{jar.sha256}"\n' for jar in jar_set.jars)
    return "".join(parts)


def sha256_of(file: Path) -> str:
    """Returns the sha256 of a file in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
