"""Writes a new pipeline: a copy of ``example``, or one declared from records."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_schema import file_of
from tandem.scaffold.avro import in_avro, schema_of
from tandem.scaffold.example.streams import STREAMS
from tandem.scaffold.pipeline_folder import EXAMPLE, SHARED, create

_PACKAGE = f"{__name__}.example"


class Format(StrEnum):
    """The format of the values in a new pipeline's records."""

    JSON = "json"
    AVRO = "avro"


def write(name: str, own: Path, values: Format = Format.JSON) -> PipelineLocation:
    """Returns the location of the new pipeline, a complete copy of the example.

    Args:
        name: a Python identifier in lower case; topics and collections are named after it.
        own: the user's folder of pipelines, made when it is not there; its name is the package's.
        values: with Avro, the streams are declared so, and the folder has their schemas.

    Raises:
        UsageError: the name is not valid, or is taken.
        TandemError: the folder cannot be written.
    """
    return create(name, own, lambda location: _copies(location, values))


def _copies(location: PipelineLocation, values: Format) -> dict[str, str]:
    texts = {
        source.name.replace("example", location.name): _renamed(source.read_text("utf-8"), location)
        for source in sorted(EXAMPLE.iterdir())
        if source.suffix in (".py", ".toml") and source.name not in SHARED
    }
    if values is Format.AVRO:
        # The streams are declared as Avro, with the schema that each of them has already, in words of Avro.
        texts["streams.py"] = in_avro(texts["streams.py"], STREAMS)
        texts |= {file_of(stream.name, 1): schema_of(stream, location.name) for stream in STREAMS}
    return texts


def _renamed(text: str, location: PipelineLocation) -> str:
    """Returns a module's text with the new names; imports stay in alphabetical order."""
    named = re.sub(r"example(?![a-z])", location.name, text.replace(_PACKAGE, location.package))
    lines: list[str] = []
    for is_import, grouped in groupby(named.splitlines(), key=lambda line: line.startswith("from ")):
        block = list(grouped)
        lines += sorted(block, key=lambda line: line.split(" import ")[0]) if is_import else block
    return "\n".join(lines) + "\n"
