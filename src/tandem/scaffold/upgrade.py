"""Upgrades a project's files; keeps the user's changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from tandem import __version__
from tandem.checkout import RECORD
from tandem.errors import DISTRIBUTION, UsageError
from tandem.parsing import parse_json
from tandem.scaffold.project import digest, files_of, record_of, text_of, write

# As a patch says that a file's last line has no newline.
_NO_NEWLINE = "\\ No newline at end of file\n"


@dataclass(frozen=True)
class FileChange:
    """A file whose text in the installed version differs from the project's.

    Attributes:
        path: its path in the project.
        before: the project's text; None if the file is new.
        after: the installed version's text.
        kept: whether the user changed the file, so that an upgrade leaves it alone.
    """

    path: str
    before: str | None
    after: str
    kept: bool

    @property
    def diff(self) -> str:
        """The difference as a patch, from the project's text to the installed version's."""
        old = "/dev/null" if self.before is None else f"a/{self.path}"
        before, after = (text.splitlines(keepends=True) for text in (self.before or "", self.after))
        lines = unified_diff(before, after, old, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def changes(folder: Path) -> list[FileChange]:
    """Returns what differs since the user last saw it.

    A deleted file stays deleted. A file that only the user changed is left out.

    Raises:
        UsageError: the folder is not a project, its record is wrong, or a newer version wrote it.
    """
    name, known_files = recorded(folder)
    found = []
    for path, after in sorted(files_of(name).items()):
        before, known = text_of(folder / path), known_files.get(path)
        if before == after or digest(after) == known or (before is None and known):
            continue
        found.append(FileChange(path, before, after, kept=before is not None and digest(before) != known))
    return found


def apply(folder: Path, found: list[FileChange]) -> None:
    """Writes the files that the user did not change, and records all as seen.

    Raises:
        TandemError: a file cannot be written.
    """
    name, _ = recorded(folder)
    texts = {change.path: change.after for change in found if not change.kept}
    write(folder, {**texts, RECORD: record_of(name, files_of(name))})


def recorded(folder: Path) -> tuple[str, Mapping[str, str]]:
    """Returns the project's name, and the digests of the files as they were written.

    Raises:
        UsageError: the folder is not a project, its record is wrong, or a newer version wrote it.
    """
    file = folder / RECORD
    text = text_of(file)
    if text is None:
        raise UsageError(f"{folder} is not a project: it has no {RECORD}", hint="`tandem init` creates a project")
    try:
        record = parse_json(text)
        name, version = str(record["name"]), str(record["version"])
        files = {str(path): str(value) for path, value in record["files"].items()}
        is_newer = release_of(version) > release_of(__version__)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(f"{file} is not a record of `tandem init`", hint=f"`git checkout {RECORD}`") from None
    if is_newer:
        raise UsageError(
            f"{folder} is a project of version {version}, and the installed version is {__version__}",
            hint=f"install that version or a later one: pip install '{DISTRIBUTION}[embedded]>={version}'",
        )
    return name, files


def release_of(version: str) -> list[int]:
    """Returns the numbers of a version, without those of a pre-release."""
    return [int(number) for number in re.findall(r"[0-9]+", re.split(r"[^0-9.]", version)[0])]
