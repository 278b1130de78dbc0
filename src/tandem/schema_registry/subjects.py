"""Finds the subjects of a pipeline and their frozen schemas."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.wire_format import (
    AVRO_ENDING,
    FOLDER,
    JSON_ENDING,
    PROTO_ENDING,
    Frozen,
    JsonSchema,
    frozen_in,
)
from tandem.errors import UsageError

# The longest text to show.
_LONGEST = 500
# The endings of the kinds of schemas that a job can read.
ENDINGS = {"AVRO": AVRO_ENDING, "JSON": JSON_ENDING, "PROTOBUF": PROTO_ENDING}
# A format in Confluent's wire format.
Registered = Avro | JsonSchema | Protobuf


def kind_of(declared: Registered) -> str:
    """Returns the registry's name of a format's kind of schema."""
    match declared:
        case Avro():
            return "AVRO"
        case JsonSchema():
            return "JSON"
        case Protobuf():
            return "PROTOBUF"


def declared_formats(streams: Iterable[Stream]) -> dict[str, list[tuple[Stream, Registered]]]:
    """Returns the streams in Confluent's wire format and their formats, by subject."""
    found: dict[str, list[tuple[Stream, Registered]]] = {}
    for stream in streams:
        if stream.format is not None and stream.format.is_registered:
            found.setdefault(stream.format.subject, []).append((stream, stream.format))
    return found


def frozen_of(folder: Path, subject: str, kind: str) -> list[Frozen]:
    """Returns the frozen schemas of a subject in a pipeline's folder, oldest first.

    Raises:
        UsageError: two files contradict each other, or a file cannot be read.
    """
    schemas = folder / FOLDER
    names = [each.name for each in schemas.glob("*")]
    try:
        found = frozen_in(names, subject, ENDINGS[kind])
    except ValueError as error:
        raise UsageError(str(error), hint="delete one, and run `tandem schemas pull`") from None
    return [Frozen(*numbers, _text(schemas / name)) for name, numbers in found.items()]


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read: {error}", hint="delete it, and run `tandem schemas pull` again"
        ) from None


def printable(text: str) -> str:
    """Returns a registry's text for a terminal.

    It is cut, and has no control characters.
    """
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}..."


def is_same(kind: str, one: str, other: str) -> bool:
    """Returns whether two texts are the same schema; False if one is unreadable."""
    if kind == "PROTOBUF":
        return one.split() == other.split()
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
