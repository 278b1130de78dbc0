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


def create(name: str, own: Path, files: Callable[[PipelineLocation], Mapping[str, str]]) -> PipelineLocation:
    """Returns where the new pipeline is: a folder of that name.

    Args:
        name: a Python identifier in lower case.
        own: the user's folder of pipelines, made when it is not there; its name is the package's.
        files: returns the texts of its files, by their paths in the folder.

    Raises:
        UsageError: the name does not do, or is taken.
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
        for path, text in texts.items():
            file = location.folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
    except OSError as error:
        # What is there in part would be taken for a pipeline, and its name for taken.
        shutil.rmtree(location.folder, ignore_errors=True)
        raise TandemError(
            f"{location.folder} cannot be written: {error.strerror}",
            hint="set TANDEM_PIPELINES_DIR to a folder of yours",
        ) from None
    return location


def check_name(name: str, own: Path) -> None:
    """Raises UsageError where no pipeline of this name can be created."""
    if not is_name(name):
        raise UsageError(f"{name!r} is not a valid name for a pipeline", hint=NAME_RULE)
    if (own / name).exists():
        raise UsageError(f"{own / name} exists already", hint="choose another name; nothing was changed")
    if (BUNDLED / name).exists():
        raise UsageError(f"a pipeline {name!r} comes with Tandem", hint="choose another name")
    # The folder is a package, found behind all that is installed.
    if not own.name.isidentifier() or own.name in sys.stdlib_module_names:
        raise UsageError(
            f"{own.name!r} is not a valid name for a Python package", hint="set TANDEM_PIPELINES_DIR to another"
        )
