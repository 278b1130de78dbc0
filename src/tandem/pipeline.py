"""Public: declares a pipeline.

The only import that its modules ``streams`` and ``transform`` need.

It imports PySpark only when a function needs it, because programs without Spark read the streams, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.collection import Collection, Lookup
from tandem.engine.declare.field_type import DocumentType, FieldType
from tandem.engine.declare.kind import Kind
from tandem.engine.declare.pipeline import Output, Pipeline, SupersededBy
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import DeadLetterError, RecordPart, Stream
from tandem.engine.declare.view import Column, Shown, Tally, View
from tandem.engine.declare.wire_format import JsonSchema

__all__ = [
    "Avro",
    "Collection",
    "Column",
    "DeadLetterError",
    "DocumentType",
    "FieldType",
    "JsonSchema",
    "Kind",
    "Lookup",
    "Output",
    "Pipeline",
    "Protobuf",
    "RecordPart",
    "Shown",
    "Stream",
    "SupersededBy",
    "Tally",
    "View",
    "document_id",
    "interval_join",
    "no_longer_alone",
]

if TYPE_CHECKING:
    from tandem.engine.join.interval_join import interval_join, no_longer_alone
    from tandem.engine.read.document_id import document_id
else:
    _WITH_SPARK = {
        "document_id": "tandem.engine.read.document_id",
        "interval_join": "tandem.engine.join.interval_join",
        "no_longer_alone": "tandem.engine.join.interval_join",
    }

    def __getattr__(name: str) -> Any:
        if name not in _WITH_SPARK:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_WITH_SPARK[name]), name)
