"""Copies what containers need from the installed package into a project.

The copy has the checkout's layout: ``compose/``, ``images/``, ``requirements/`` and ``src/``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tandem import documentation
from tandem.checkout import COPY
from tandem.errors import EnvironmentNotReadyError

_PACKAGE = Path(__file__).parent
PACKAGED = _PACKAGE / "containers"
_DOCS = documentation.PACKAGED


def copy_into(folder: Path) -> None:
    """Makes a project's copy equal to the installed package.

    Unchanged files stay as they are: containers that run have them mounted.

    Args:
        folder: the project.

    Raises:
        EnvironmentNotReadyError: the copy cannot be written.
    """
    target = folder / COPY
    wanted = _wanted()
    try:
        for path, source in wanted.items():
            _copy(source, target / path)
        for old in [path for path in target.rglob("*") if path.is_file()]:
            if str(old.relative_to(target)) not in wanted:
                old.unlink()
        # Whatever this user's umask is: the users in containers are others.
        for place in (target, *(path for path in target.rglob("*") if path.is_dir())):
            place.chmod(0o755)
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"{target} cannot be written: {error.strerror}", hint="call tandem in a folder of yours"
        ) from None


def _wanted() -> dict[str, Path]:
    """Returns the files of the copy by their paths in it."""
    packaged = {str(path.relative_to(PACKAGED)): path for path in _files(PACKAGED)}
    source = {
        str(Path("src", _PACKAGE.name) / path.relative_to(_PACKAGE)): path
        for path in _files(_PACKAGE)
        if not path.is_relative_to(PACKAGED) and not path.is_relative_to(_DOCS)
    }
    return packaged | source


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _copy(source: Path, target: Path) -> None:
    mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
    if not (target.is_file() and target.read_bytes() == source.read_bytes()):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    target.chmod(mode)
