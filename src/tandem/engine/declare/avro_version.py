"""One Avro schema of a stream, without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem.engine.declare.avro_names import resolved

# The attributes of a schema's canonical form in Avro's specification. The fingerprint is computed from that form.
_CANONICAL = ("name", "namespace", "type", "fields", "symbols", "items", "values", "size")


@dataclass(frozen=True)
class Version:
    """One schema.

    Attributes:
        number: N in the name of its file.
        place: the file's path below the pipeline's folder.
        text: the file's content.
        schema: the same, parsed.
        record: the same, with each name of a type replaced by the type.
        schema_id: its id in a schema registry, if it comes from one.
    """

    number: int
    place: str
    text: str
    schema: dict[str, Any] = field(compare=False, repr=False)
    record: dict[str, Any] = field(compare=False, repr=False)
    schema_id: int | None = None

    @classmethod
    def parse(cls, number: int, place: str, text: str, schema_id: int | None = None) -> Version:
        """Returns a schema, given its file.

        Raises:
            ValueError: it is not the schema of a record that Spark can read.
        """
        try:
            schema = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        if not isinstance(schema, dict) or schema.get("type") != "record" or "fields" not in schema:
            raise ValueError(f"{place}: not the schema of a record")
        try:
            record = resolved(schema)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        return cls(number, place, text, schema, record, schema_id)

    @property
    def canonical(self) -> dict[str, Any]:
        """The schema's attributes that decide how bytes are read, and ``namespace``."""
        canonical: dict[str, Any] = _canonical(self.schema)
        return canonical

    @property
    def fields(self) -> Mapping[str, dict[str, Any]]:
        """Its fields by name."""
        return {each["name"]: each for each in self.record["fields"]}


def _canonical(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_canonical(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: _canonical(schema[name]) if name != "symbols" else schema[name] for name in _CANONICAL if name in schema
    }
    return kept["type"] if kept.keys() == {"type"} else kept
