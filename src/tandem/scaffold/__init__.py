"""Writes a new pipeline: a renamed copy of the one in ``example``."""

from __future__ import annotations

import re
import shutil
import sys
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from tandem.catalog import BUNDLED, NAME_RULE, PipelineLocation, is_name
from tandem.engine.declare.avro_schema import file_of
from tandem.errors import TandemError, UsageError
from tandem.scaffold.avro import in_avro, schema_of
from tandem.scaffold.example.streams import STREAMS

_EXAMPLE = Path(__file__).parent / "example"
_PACKAGE = f"{__name__}.example"
# The files that all pipelines of a folder share, so that tests can import the pipelines.
_SHARED = ("__init__.py", "conftest.py")


class Format(StrEnum):
    """The format of the values in a new pipeline's records."""

    JSON = "json"
    AVRO = "avro"


def write(name: str, own: Path, values: Format = Format.JSON) -> PipelineLocation:
    """Returns the location of the new pipeline, which is complete and runs.

    Args:
        name: a Python identifier in lower case; topics and collections are named after it.
        own: the user's folder of pipelines, made when it is not there; its name is the package's.
        values: with Avro, the streams are declared so, and the folder has their schemas.

    Raises:
        UsageError: the name does not do, or is taken.
        TandemError: the folder cannot be written.
    """
    _check(name, own)
    location = PipelineLocation(name, f"{own.name}.{name}", own / name)
    try:
        own.mkdir(parents=True, exist_ok=True)
        for shared in _SHARED:
            if not (own / shared).exists():
                shutil.copyfile(_EXAMPLE / shared, own / shared)
        location.folder.mkdir()
        for source in sorted(_EXAMPLE.iterdir()):
            if source.suffix in (".py", ".toml") and source.name not in _SHARED:
                target = location.folder / source.name.replace("example", name)
                target.write_text(_renamed(source.read_text("utf-8"), location), "utf-8")
        if values is Format.AVRO:
            _to_avro(location)
    except OSError as error:
        # What is there in part would be taken for a pipeline, and its name for taken.
        shutil.rmtree(location.folder, ignore_errors=True)
        raise TandemError(
            f"{location.folder} cannot be written: {error.strerror}",
            hint="set TANDEM_PIPELINES_DIR to a folder of yours",
        ) from None
    return location


def _to_avro(location: PipelineLocation) -> None:
    """Declares Avro streams, and writes the schemas of their fields."""
    for stream in STREAMS:
        file = location.folder / file_of(stream.name, 1)
        file.parent.mkdir(exist_ok=True)
        file.write_text(schema_of(stream, location.name), "utf-8")
    streams = location.file("streams")
    streams.write_text(in_avro(streams.read_text("utf-8"), STREAMS), "utf-8")


def _check(name: str, own: Path) -> None:
    if not is_name(name):
        raise UsageError(f"{name!r} is not a valid name for a pipeline", hint=NAME_RULE)
    if (own / name).exists():
        raise UsageError(f"{own / name} exists already", hint="choose another name; nothing was changed")
    if (BUNDLED / name).exists():
        raise UsageError(f"a pipeline {name!r} comes with Tandem", hint="choose another name")
    # The folder becomes a package, which Python finds after all installed ones.
    if not own.name.isidentifier() or own.name in sys.stdlib_module_names:
        raise UsageError(
            f"{own.name!r} is not a valid name for a Python package", hint="set TANDEM_PIPELINES_DIR to another"
        )


def _renamed(text: str, location: PipelineLocation) -> str:
    """Returns a module's text with the new names; imports stay in alphabetical order."""
    named = re.sub(r"example(?![a-z])", location.name, text.replace(_PACKAGE, location.package))
    lines: list[str] = []
    for is_import, grouped in groupby(named.splitlines(), key=lambda line: line.startswith("from ")):
        block = list(grouped)
        lines += sorted(block, key=lambda line: line.split(" import ")[0]) if is_import else block
    return "\n".join(lines) + "\n"
