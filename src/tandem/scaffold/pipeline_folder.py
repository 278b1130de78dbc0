"""Creates the folder of a new pipeline, completely or not at all."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tandem.catalog import BUNDLED, NAME_RULE, PipelineLocation, is_name
from tandem.errors import TandemError, UsageError

EXAMPLE = Path(__file__).parent / "example"
# What all pipelines of a folder share: it makes them importable from their tests.
SHARED = ("__init__.py", "conftest.py")
# The database has the pipeline's name.
_OF_MONGO = ("admin", "config", "local")


def create(name: str, own: Path, files: Callable[[PipelineLocation], Mapping[str, str]]) -> PipelineLocation:
    """Returns where the new pipeline is: a folder of that name.

    Args:
        name: a Python identifier in lower case.
        own: the user's folder of pipelines, made when it is not there; its name is the package's.
        files: returns the texts of its files, by their paths in the folder.

    Raises:
        UsageError: the name is not valid, or is taken.
        TandemError: the folder cannot be written.
    """
    check_name(name, own)
    location = PipelineLocation(name, f"{own.name}.{name}", own / name)
    texts = files(location)
    try:
        own.mkdir(parents=True, exist_ok=True)
        for shared in SHARED:
            if not (own / shared).exists():
                shutil.copyfile(EXAMPLE / shared, own / shared)
        location.folder.mkdir()
        _write(location.folder, texts)
    except FileExistsError:
        raise _exists(location.folder) from None
    except OSError as error:
        raise TandemError(
            f"{location.folder} cannot be written: {error.strerror}",
            hint="set TANDEM_PIPELINES_DIR to a folder of yours",
        ) from None
    return location


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes the files of a new folder; removes the folder if that fails."""
    try:
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
    except OSError:
        # An incomplete folder would look like a pipeline, and its name could not be used again.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _exists(folder: Path) -> UsageError:
    return UsageError(f"{folder} exists already", hint="choose another name; nothing was changed")


def check_name(name: str, own: Path) -> None:
    """Raises UsageError where no pipeline of this name can be created."""
    if not is_name(name):
        raise UsageError(f"{name!r} is not a valid name for a pipeline", hint=NAME_RULE)
    if name in _OF_MONGO:
        raise UsageError(f"{name!r} is a database of MongoDB's own", hint="choose another name")
    if (own / name).exists():
        raise _exists(own / name)
    if (BUNDLED / name).exists():
        raise UsageError(f"a pipeline {name!r} comes with Tandem", hint="choose another name")
    # The folder is a package, found behind all that is installed.
    if not own.name.isidentifier() or own.name in sys.stdlib_module_names:
        raise UsageError(
            f"{own.name!r} is not a valid name for a Python package", hint="set TANDEM_PIPELINES_DIR to another"
        )
