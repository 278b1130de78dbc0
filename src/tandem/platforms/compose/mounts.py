"""Checks that the containers' users can read the mounted files.

These users do not own the files.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from tandem.checkout import COPY, fragments
from tandem.errors import EnvironmentNotReadyError
from tandem.settings.profiles import FILE

# The users of the images, by the folders that are mounted into their containers.
_READERS = {"src": 1000, "compose/kafka": 1000, "compose/spark": 1000, "compose/mongo": 999, "compose/observe": 65534}
_PIPELINES_READER = 1000
_NOBODYS = -1
# Python writes these by itself, and containers do not need them.
_GENERATED = ("__pycache__", ".egg-info")


def check_mounts(project: Path, pipelines: Path, profiles: Path | None, *, rootless: bool = False) -> None:
    """Raises if a container's user cannot read a mounted file.

    This happens after a clone with umask 077, for example.

    Args:
        project: the folder of ``docker-compose.yml``.
        pipelines: the user's folder of pipelines.
        profiles: the user's file that defines the profile; None if containers get the project's.
        rootless: whether the users of containers have other ids on this machine, and so own no file.

    Raises:
        EnvironmentNotReadyError: the message names a path, the hint has the command that fixes all.
    """
    own = profiles or project / FILE
    if not own.is_file():
        raise EnvironmentNotReadyError(f"{own} is missing", hint=f"cd {project} && git checkout {own.name}")
    if sys.platform != "linux":  # elsewhere Docker shows every file as the container's own
        return
    parts = fragments(project)
    readers = {parts / name: uid for name, uid in _READERS.items()}
    readers |= dict.fromkeys((pipelines, own), _PIPELINES_READER)
    for folder, uid in readers.items():
        if path := next(_unreadable(folder, _NOBODYS if rootless else uid), None):
            others = "".join(f" {each}" for each in (pipelines, own) if each.parent != project)
            shared = "src compose" if parts == project else COPY
            raise EnvironmentNotReadyError(
                f"{path} is not readable for the containers, which run as other users (uid {uid})",
                hint=f"cd {project} && chmod -R go+rX {shared} pipelines {own.name}{others}",
            )


def _unreadable(folder: Path, uid: int) -> Iterator[Path]:
    if folder.is_file() and not _readable(folder, uid):
        yield folder
    for name, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if not each.endswith(_GENERATED)]
        for path in (Path(name), *(Path(name, each) for each in files)):
            if not _readable(path, uid):
                yield path


def _readable(path: Path, uid: int) -> bool:
    try:
        status = path.stat()
    except OSError:  # a broken link, or a file that an editor has just replaced
        return True
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    # The same bits of the owner, or of the group, count where it is one of theirs.
    needed <<= 6 if status.st_uid == uid else 3 if status.st_gid == uid else 0
    return status.st_mode & needed == needed
