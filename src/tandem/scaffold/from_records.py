"""Writes a new pipeline that is declared from samples, schemas or topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, assert_never

from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_schema import Avro, file_of
from tandem.engine.declare.kind import (
    Array,
    Boolean,
    Bytes,
    Date,
    Decimal,
    Double,
    Enum,
    Integer,
    Kind,
    Map,
    Record,
    String,
    Timestamp,
    TimeUnit,
)
from tandem.engine.declare.pipeline import repeated_topics
from tandem.errors import UsageError
from tandem.scaffold import Format
from tandem.scaffold.chosen import Chosen, choose, kind_at
from tandem.scaffold.joining import JoinChoice, joining
from tandem.scaffold.names import dead_letter_topic
from tandem.scaffold.pipeline_folder import check_name, create
from tandem.scaffold.render.joined import files_of
from tandem.scaffold.render.joined_names import JoinedNames
from tandem.scaffold.render.one import OneStream
from tandem.scaffold.render.sample_code import few_values
from tandem.scaffold.sources import read_source
from tandem.settings.model import KafkaSettings


@dataclass(frozen=True)
class Request:
    """What the user asks for.

    Attributes:
        source: the first stream's: a file or ``topic:NAME``.
        join: the second stream's, for a join.
        choice: what was chosen for the first stream, the second one and the join.
        values: the format of the records.
    """

    source: str
    join: str | None
    choice: JoinChoice
    values: Format = Format.JSON


class Written(NamedTuple):
    """A new pipeline: where it is, and what to tell about it."""

    location: PipelineLocation
    notes: list[str]


def write_from(name: str, own: Path, request: Request, *, kafka: Callable[[], KafkaSettings], now_ms: int) -> Written:
    """Returns the new pipeline, which runs as it is.

    Args:
        name: a Python identifier in lower case; topics and collections are named after it.
        own: the user's folder of pipelines.
        request: what it is made from.
        kafka: returns how to reach Kafka; called where a source is a topic.
        now_ms: now, in milliseconds since 1970.

    Raises:
        UsageError: the name, a source or a choice is not valid.
        EnvironmentNotReadyError: Kafka does not answer.
        TandemError: the folder cannot be written.
    """
    check_name(name, own)
    first = read_source(request.source, kafka)
    if request.join is None:
        one = _in_format(choose(first, request.choice.first, name, now_ms), request.values)
        check_topics(name, [one])
        location = create(
            name, own, lambda location: {**OneStream(name, location.package, one).files(), **_schemas(one)}
        )
        return Written(location, _notes(one))
    join = joining(first, read_source(request.join, kafka), request.choice, name, now_ms)
    join = replace(join, left=_in_format(join.left, request.values), right=_in_format(join.right, request.values))
    check_topics(name, [join.left, join.right])
    location = create(
        name,
        own,
        lambda location: {
            **files_of(JoinedNames(name, location.package, join)),
            **_schemas(join.left),
            **_schemas(join.right),
        },
    )
    return Written(location, [*_notes(join.left), *_notes(join.right), f"join: {join.key.note}"])


def check_topics(pipeline: str, streams: Sequence[Chosen]) -> None:
    """Raises UsageError where a topic has several roles in a pipeline."""
    topics = [*(each.stream.topic for each in streams), dead_letter_topic(pipeline)]
    if repeated := repeated_topics(topics):
        raise UsageError(
            f"topic {repeated[0]} would have more than one role in {pipeline}",
            hint="name the pipeline or a file differently, or give another topic",
        )


def _in_format(chosen: Chosen, values: Format) -> Chosen:
    """Returns the stream with the format of its values."""
    if values is Format.JSON:
        return chosen
    if chosen.described.avro is None:
        raise UsageError(
            f"{chosen.described.source}: --format avro needs an Avro schema", hint="give a file that ends in .avsc"
        )
    try:
        avro = Avro.parse(chosen.stream.name, {1: chosen.described.avro})
        _check_writable(avro, chosen)
        fields = {name: _avro_kind(kind) for name, kind in chosen.stream.fields.items()}
        return replace(chosen, stream=replace(chosen.stream, fields=fields, format=avro))
    except ValueError as error:
        raise UsageError(
            f"{chosen.described.source}: {error}", hint="without --format avro the records are JSON of these types"
        ) from None


def _check_writable(avro: Avro, chosen: Chosen) -> None:
    """Raises ValueError where the generator has no value for a field of the schema."""
    for name, field in avro.newest.fields.items():
        may_be_null = "null" in (field["type"] if isinstance(field["type"], list) else [field["type"]])
        if name not in chosen.stream.fields and "default" not in field and not may_be_null:
            raise ValueError(f"field {name!r} is left out, and has neither a default nor null")


def _avro_kind(kind: Kind) -> Kind:
    """Returns a field's type in a stream of Avro records.

    The schema has the unit of a time.
    """
    match kind:
        case Timestamp():
            return replace(kind, unit=TimeUnit.ISO_8601)
        case Record():
            return replace(kind, fields={name: _avro_kind(each) for name, each in kind.fields.items()})
        case Array():
            return replace(kind, items=_avro_kind(kind.items))
        case Map():
            return replace(kind, values=_avro_kind(kind.values))
        case String() | Boolean() | Integer() | Double() | Decimal() | Date() | Bytes() | Enum():
            return kind
        case _:
            assert_never(kind)


def _schemas(chosen: Chosen) -> dict[str, str]:
    """Returns the schemas of a stream, by their paths."""
    if chosen.stream.format is None or chosen.described.avro is None:
        return {}
    return {file_of(chosen.stream.name, 1): chosen.described.avro}


def _notes(chosen: Chosen) -> list[str]:
    heading = f"{chosen.stream.name}, from {chosen.described.source} ({chosen.described.summary}):"
    return [heading, *(f"  {note}" for note in (*chosen.notes, *_repeated_identities(chosen)))]


def _repeated_identities(chosen: Chosen) -> list[str]:
    """Returns a note if generated records must repeat their identity."""
    paths = chosen.stream.identity_paths or ()
    few = [few_values(kind_at(chosen.described.fields, path)) for path in paths]
    if not few or None in few:
        return []
    values = next((each for each in few if each != "few"), "few")
    names = " and ".join(".".join(path) for path in paths)
    return [f"generated records repeat {names}, which has {values} values; `tandem verify` counts them as conflicting"]
