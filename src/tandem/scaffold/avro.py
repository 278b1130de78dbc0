"""Changes a new pipeline's declaration from JSON to Avro.

Three lines differ, and each stream has a schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tandem.engine.declare.kind import Integer, Kind, String, Timestamp
from tandem.engine.declare.stream import Stream

_IMPORT = "from tandem.pipeline import "


def schema_of(stream: Stream, namespace: str) -> str:
    """Returns the text of a stream's schema."""
    schema = {
        "type": "record",
        "name": stream.name.removesuffix("s").capitalize(),
        "namespace": namespace,
        "fields": [{"name": name, "type": _type_of(kind)} for name, kind in stream.fields.items()],
    }
    return json.dumps(schema, indent=2) + "\n"


def _type_of(kind: Kind) -> Any:
    match kind:
        case String():
            return "string"
        case Integer():
            return "long"
        case Timestamp():
            return {"type": "long", "logicalType": "timestamp-millis"}
        case _:
            raise AssertionError(f"a new pipeline has no field of type {kind}")


def in_avro(text: str, streams: Iterable[Stream]) -> str:
    """Returns the text of a module ``streams`` with its streams in Avro."""
    text = text.replace(_IMPORT, f"{_IMPORT}Avro, ")
    for stream in streams:
        identity = f'    identity="{stream.identity}",\n'
        text = text.replace(identity, f'{identity}    format=Avro.of(__package__, "{stream.name}"),\n')
    return text
