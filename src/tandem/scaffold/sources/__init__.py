"""Reads what a stream is declared from: sample records, a schema, or a topic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.names import stream_name
from tandem.scaffold.sources.avro_file import described_by_avro, is_avro_schema
from tandem.scaffold.sources.json_schema_file import described_by_json_schema, is_json_schema
from tandem.scaffold.sources.protobuf_file import described_by_protobuf
from tandem.scaffold.sources.samples import described_by_samples, read_samples
from tandem.scaffold.sources.topic import described_by_topic
from tandem.settings.model import KafkaSettings

TOPIC = "topic:"
# The first fields of files that describe APIs.
_APIS = ("openapi", "asyncapi", "swagger")
_NOT_YET = (".desc", ".parquet", ".orc", ".csv", ".xml", ".yaml", ".yml", ".avro", ".gz", ".zip", ".zst")


def read_source(source: str, kafka: Callable[[], KafkaSettings]) -> Described:
    """Returns what a source says of a stream's records.

    Args:
        source: the path of a file, or ``topic:NAME``.
        kafka: returns how to reach Kafka; called for a topic alone.

    Raises:
        UsageError: the source cannot be read, or declares nothing that a stream can have.
        EnvironmentNotReadyError: Kafka does not answer.
    """
    if source.startswith(TOPIC):
        return described_by_topic(kafka(), source.removeprefix(TOPIC))
    path = Path(source)
    name = stream_name(path.name.partition(".")[0] or path.name)
    if path.suffix.lower() in _NOT_YET:
        raise UsageError(
            f"{source}: files of the type {path.suffix} are not supported yet",
            hint="give sample records in JSON, a JSON Schema, an Avro schema (.avsc), a Protobuf file or topic:NAME",
        )
    try:
        if path.suffix.lower() == ".avsc":
            return described_by_avro(source, name, path.read_text("utf-8-sig"))
        if path.suffix.lower() == ".proto":
            return described_by_protobuf(source, name, path.parent, path.read_text("utf-8-sig"))
        samples = read_samples(source, path)
    except UnicodeDecodeError:
        raise UsageError(f"{source}:{_line_not_utf8(path)}: not UTF-8", hint="convert the file to UTF-8") from None
    except OSError as error:
        raise UsageError(
            f"{source} cannot be read: {error.strerror or error}", hint="give the path of a file, or topic:NAME"
        ) from None
    if len(samples.records) == 1:
        (only,) = samples.records
        if is_avro_schema(only.fields):
            return described_by_avro(source, name, path.read_text("utf-8-sig"))
        if is_json_schema(only.fields):
            return described_by_json_schema(source, name, only.fields)
        if not only.fields.keys().isdisjoint(_APIS):
            raise UsageError(
                f"{source} describes an API",
                hint="save the JSON Schema of one kind of records, with the definitions that it refers to",
            )
    return described_by_samples(source, name, samples)


def _line_not_utf8(path: Path) -> int:
    """Returns the number of the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
