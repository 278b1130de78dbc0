"""Restores files of a project that are missing, as after a clone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tandem.errors import UsageError
from tandem.foreign import inherited
from tandem.scaffold.project import files_of, write
from tandem.scaffold.upgrade import recorded


class Restored(NamedTuple):
    """What was done with the missing files.

    Attributes:
        written: the paths of those that were written.
        deleted: the paths of those that stay deleted.
    """

    written: list[str]
    deleted: list[str]


def restore(folder: Path, wanted: Sequence[str] = ()) -> Restored:
    """Writes the missing files that a clone lacks, and those that are named.

    A clone lacks the files that Git ignores. The user deleted the others.

    Args:
        folder: the project.
        wanted: paths of files to write in any case.

    Raises:
        UsageError: the folder is not a project, its record is wrong, or a newer version wrote it; or no missing
            file has a path of ``wanted``.
        TandemError: a file cannot be written.
    """
    name, known = recorded(folder)
    missing = {path: text for path, text in files_of(name).items() if not (folder / path).exists()}
    for path in wanted:
        if path not in missing:
            raise UsageError(
                f"{path} is not a missing file of this project", hint=f"missing: {', '.join(missing) or 'none'}"
            )
    lacking = _ignored(folder, [path for path in missing if path in known])
    texts = {path: text for path, text in missing.items() if path in lacking or path in wanted}
    write(folder, texts)
    return Restored(list(texts), [path for path in missing if path in known and path not in texts])


def _ignored(folder: Path, paths: Iterable[str]) -> set[str]:
    """Returns the paths that Git ignores; none without Git."""
    command = ["git", "-C", str(folder), "check-ignore", "--stdin", "-z"]
    try:
        done = subprocess.run(
            command, input="\0".join(paths), env=inherited(), capture_output=True, text=True, check=False
        )
    except OSError:
        return set()
    return set(filter(None, done.stdout.split("\0")))
