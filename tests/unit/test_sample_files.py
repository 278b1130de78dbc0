"""`tandem new --from` on files that strangers may have: a pipeline that accepts their records, or a clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_version import Version
from tandem.engine.declare.kind import Array, Enum, Kind, Map, Record
from tandem.engine.declare.stream import RecordPart, Stream
from tandem.errors import UsageError
from tandem.producer.avro_encoder import AvroEncoder, header_of
from tandem.scaffold import Format
from tandem.scaffold.from_records import Request, write_from
from tandem.scaffold.sources import read_source
from tests.sample_files import JOINS, SAMPLES, SCHEMAS, Declared, Joined, Refused, lines
from tests.unit.test_from_records import GUESS, NOW_MS, accepts, check_clean, check_samples, no_kafka


def shown(kind: Kind) -> str:
    """Returns a type and those in it as a text; a question mark follows an optional one."""
    match kind:
        case Record():
            found = f"record({', '.join(f'{name}: {shown(each)}' for name, each in kind.fields.items())})"
        case Array():
            found = f"array({shown(kind.items)})"
        case Map():
            found = f"map({shown(kind.values)})"
        case Enum():
            found = f"enum({', '.join(kind.symbols)})"
        case _:
            found = str(kind)
    return found + "?" * kind.is_optional


def named(part: str | tuple[str, ...] | RecordPart) -> str:
    if isinstance(part, RecordPart):
        return f"the record's {part.value}"
    return part if isinstance(part, str) else ", ".join(part)


def new(
    folder: Path, source: str, join: str | None = None, values: Format = Format.JSON
) -> tuple[PipelineLocation, list[str]]:
    """Returns a new pipeline of a package of its own, and its notes."""
    own = folder / f"own_{abs(hash(str(folder)))}_pipelines"
    request = Request(str(folder / source), join and str(folder / join), GUESS, values)
    written = write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS)
    return written.location, written.notes


def save(folder: Path, name: str, content: str | bytes) -> None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def check_records(folder: Path, source: str, stream: Stream) -> None:
    """Fails where the declaration rejects a record that it was made from."""
    records = [each.fields for each in read_source(str(folder / source), no_kafka).samples]
    assert [each for each in records if not accepts(stream, each)] == []


@pytest.mark.parametrize("case", [*SAMPLES, *SCHEMAS], ids=lambda each: each.name)
def test_a_file_gives_a_pipeline_or_a_clear_error(case: Declared | Refused, tmp_path: Path) -> None:
    save(tmp_path, case.name, case.content)
    if isinstance(case, Refused):
        with pytest.raises(UsageError) as refused:
            new(tmp_path, case.name)
        assert case.problem in str(refused.value)
        assert case.hint in str(refused.value.hint)
        return
    location, said = new(tmp_path, case.name)
    (stream,) = location.module("streams").STREAMS
    assert {name: shown(kind) for name, kind in stream.fields.items()} == case.fields
    assert (named(stream.identity), named(stream.event_time)) == (case.identity, case.time)
    notes = [each.strip() for each in said[1:] if not each.strip().startswith(("optional:", "identity:", "time:"))]
    assert len(notes) == len(case.notes), notes
    for part, note in zip(case.notes, notes, strict=True):
        assert part in note
    location.module("oracle")
    check_samples(location)
    check_records(tmp_path, case.name, stream)
    check_clean(location)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("logical.avsc", ""),
        ("namespaces.avsc", ""),
        ("defaults.avsc", ""),
        ("unions.avsc", "field 'either' is left out, and has neither a default nor null"),
        ("recursive.avsc", "type Node contains itself"),
    ],
)
def test_records_in_avro_fit_their_schema(name: str, problem: str, tmp_path: Path) -> None:
    (case,) = [each for each in SCHEMAS if each.name == name]
    save(tmp_path, case.name, case.content)
    if problem:
        with pytest.raises(UsageError, match=problem):
            new(tmp_path, name, values=Format.AVRO)
        return
    location, _ = new(tmp_path, name, values=Format.AVRO)
    location.module("oracle")
    check_samples(location)
    check_clean(location)


def test_defaults_of_bytes_are_written_and_the_schema_stays(tmp_path: Path) -> None:
    text = json.dumps(
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "raw", "type": ["bytes", "null"], "default": "\u00ff"},
                {"name": "mark", "type": {"type": "fixed", "name": "M", "size": 2}, "default": "\u0001\u0002"},
                {"name": "other", "type": "M", "default": "\u0003\u0004"},
            ],
        }
    )
    version = Version.parse(1, "R.avsc", text)
    value = AvroEncoder(version)({})
    assert value.removeprefix(header_of(version)) == b"\x00\x02\xff\x01\x02\x03\x04"
    assert version.schema == json.loads(text)


def test_a_record_that_its_declaration_rejects_is_found(tmp_path: Path) -> None:
    save(tmp_path, "orders.jsonl", lines({"id": 1}))
    (stream,) = new(tmp_path, "orders.jsonl")[0].module("streams").STREAMS
    check_records(tmp_path, "orders.jsonl", stream)
    save(tmp_path, "orders.jsonl", lines({"id": "a"}))
    with pytest.raises(AssertionError):
        check_records(tmp_path, "orders.jsonl", stream)


@pytest.mark.parametrize("case", JOINS, ids=lambda each: each.name)
def test_two_files_are_joined_or_a_clear_error_says_why(case: Joined, tmp_path: Path) -> None:
    for name, records in zip(case.files, (case.left, case.right), strict=True):
        save(tmp_path, name, lines(*records))
    if case.hint:
        with pytest.raises(UsageError) as refused:
            new(tmp_path, *case.files)
        assert case.key in str(refused.value)
        assert case.hint in str(refused.value.hint)
        return
    location, notes = new(tmp_path, *case.files)
    assert notes[-1] == f"join: {case.key}"
    streams = {stream.name: stream for stream in location.module("streams").STREAMS}
    for name in case.files:
        check_records(tmp_path, name, streams[name.partition(".")[0]])
    location.module("oracle")
    check_samples(location)
    check_clean(location)
