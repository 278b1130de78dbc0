"""Confluent's wire format without Spark: the frozen schemas, what verify makes of bytes, and what producers send."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.stream import DeadLetterError
from tandem.engine.declare.wire_format import frozen_file, frozen_in, prefix_of
from tandem.pipeline import Avro, JsonSchema, Stream
from tandem.producer.avro_encoder import MALFORMED, AvroRecordEncoder
from tandem.producer.record_encoder import encoder_of
from tandem.verify.reference import Accepted, Control, Dead, Validator
from tests.avro import NOON_MS, SCHEMAS
from tests.wire_format import (
    AVRO_DEAD,
    AVRO_EVENTS,
    IDS,
    JSON_DEAD,
    JSON_EVENTS,
    JSON_FIELDS,
    JSON_FLAT,
    JSON_NESTED,
    REGISTERED,
    SALES_REGISTERED,
    TEXT,
)

ARRIVED_MS = NOON_MS + 3_600_000
CONTROL = json.dumps({"tandem_control": "mart/mine", "event_time": "2026-11-22T11:00:00Z"}).encode()
validate = Validator(SALES_REGISTERED, max_clock_skew_seconds=300)
JSON_STREAMS = pytest.mark.parametrize("stream", [JSON_FLAT, JSON_NESTED])


@pytest.mark.parametrize("name", AVRO_EVENTS)
def test_events_in_avro(name: str) -> None:
    value, expected = AVRO_EVENTS[name]
    assert validate(None, value, ARRIVED_MS) == Accepted(expected)


@pytest.mark.parametrize("name", AVRO_DEAD)
def test_dead_letters_in_avro(name: str) -> None:
    value, expected = AVRO_DEAD[name]
    found = validate(None, value, ARRIVED_MS)
    assert isinstance(found, Dead)
    assert found.error == expected


@JSON_STREAMS
def test_json(stream: Stream) -> None:
    read = Validator(stream, max_clock_skew_seconds=300)
    for value in JSON_EVENTS.values():
        found = read(None, value, ARRIVED_MS)
        assert isinstance(found, Accepted)
        assert found.fields.items() >= JSON_FIELDS.items()
        assert (read.document(value) or {})["id"] == "s"
    for value, error in JSON_DEAD.values():
        found = read(None, value, ARRIVED_MS)
        assert isinstance(found, Dead)
        assert found.error == error
    assert read.document(TEXT) is None


@pytest.mark.parametrize("stream", [SALES_REGISTERED, JSON_FLAT])
def test_an_unknown_id_is_named(stream: Stream) -> None:
    found = Validator(stream, max_clock_skew_seconds=300)(None, prefix_of(8) + TEXT, ARRIVED_MS)
    assert found == Dead(DeadLetterError.UNKNOWN_SCHEMA, "schema id 8")


@pytest.mark.parametrize("stream", [SALES_REGISTERED, JSON_FLAT, JSON_NESTED])
def test_control_records_have_no_prefix(stream: Stream) -> None:
    read = Validator(stream, max_clock_skew_seconds=300, sender="mart/mine")
    assert read(CONTROL_KEY, CONTROL, ARRIVED_MS) == Control(NOON_MS * 1000)
    assert isinstance(read(None, CONTROL, ARRIVED_MS), Dead)
    assert isinstance(read(CONTROL_KEY, prefix_of(7) + CONTROL, ARRIVED_MS), Dead)


def test_the_newest_version_need_not_have_the_largest_id() -> None:
    assert (REGISTERED.newest.number, REGISTERED.newest.schema_id) == (5, IDS[5])
    assert IDS[5] < max(IDS.values())


def test_schemas_that_differ_in_their_documentation_alone_have_two_ids() -> None:
    """In single-object encoding this is refused, because the fingerprints are equal."""
    documented = json.dumps({**json.loads(SCHEMAS[3]), "doc": "other"})
    with pytest.raises(ValueError, match="in bytes the same"):
        Avro.parse("sales", {1: SCHEMAS[3], 2: documented})
    assert len(Avro.parse_registered("sales-value", [(1, 3, SCHEMAS[3]), (2, 4, documented)]).versions) == 2


def write(folder: Path, package: str, files: dict[str, str]) -> None:
    (folder / package / "schemas").mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    for name, text in files.items():
        (folder / package / name).write_text(text)


def test_frozen_schemas_are_read_from_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        frozen_file("sales-value", 10, 3, "avsc"): SCHEMAS[5],
        frozen_file("sales-value", 9, 40, "avsc"): SCHEMAS[1],
        frozen_file("sales-value-2", 1, 3, "avsc"): SCHEMAS[2],
        frozen_file("sales-a/b", 1, 5, "json"): "{}",
        "schemas/sales-value.v1.avsc": SCHEMAS[3],
    }
    write(tmp_path, "frozen_sales", files)
    monkeypatch.syspath_prepend(tmp_path)
    found = Avro.registered("frozen_sales", topic="sales")
    assert [(each.number, each.schema_id) for each in found.versions] == [(9, 40), (10, 3)]
    assert found.newest.place == "schemas/sales-value.v10.id3.avsc"
    assert JsonSchema.registered("frozen_sales", topic="sales", record="a/b").schema_ids == (5,)
    with pytest.raises(ValueError, match=r"no schema of the subject shop\.Sale .* `tandem schemas pull shop\.Sale`"):
        Avro.registered("frozen_sales", record="shop.Sale")
    with pytest.raises(ValueError, match="needs a topic, a record's name, or both"):
        Avro.registered("frozen_sales")
    sys.modules.pop("frozen_sales", None)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["s.v1.id1.avsc", "s.v2.id1.avsc"], "the same version or id"),
        (["s.v1.id1.avsc", "s.v1.id2.avsc"], "the same version or id"),
        (["s.v1.id2147483648.avsc"], "larger than 2147483647"),
    ],
)
def test_files_that_contradict_each_other_are_refused(names: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        frozen_in(names, "s", "avsc")


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_samples_in_avro_are_dead(kind: str) -> None:
    fields = {"id": "bad-1", "at": NOON_MS, "amount": 5, "currency": "EUR", "rated": NOON_MS}
    found = validate(None, MALFORMED[kind](AvroRecordEncoder(SALES_REGISTERED, REGISTERED), fields), ARRIVED_MS)
    assert isinstance(found, Dead)
    if kind == "unknown_schema":
        assert found.error == "unknown_schema"


@JSON_STREAMS
def test_samples_in_json(stream: Stream) -> None:
    values, read = encoder_of(stream), Validator(stream, max_clock_skew_seconds=300)
    fields = {"id": "s-1", "at": NOON_MS, "amount": 5}
    choices = [number / 200 for number in range(200)]
    valid = [values.plain(fields), *(values.unusual(fields, choice) for choice in choices)]
    assert {type(read(None, value, ARRIVED_MS)) for value in valid} == {Accepted}
    assert {value[:5] for value in valid} == {prefix_of(7), prefix_of(12)}
    spoiled = dict(values.malformed(fields, choice) for choice in choices)
    assert {"no_prefix", "unknown_schema", "null_value", "empty"} <= spoiled.keys()
    assert {type(read(None, value, ARRIVED_MS)) for value in spoiled.values()} == {Dead}
