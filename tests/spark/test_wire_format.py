"""Confluent's wire format: the engine and the reference agree on any bytes, for Avro and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY
from tandem.engine.declare.wire_format import prefix_of
from tandem.pipeline import Stream
from tandem.verify.reference import Accepted, Dead
from tests.avro import HEADERS
from tests.spark.answers import SENDER, Item, batches_of, engine_answers, outcome, reference_answers, same
from tests.wire_format import (
    AVRO_DEAD,
    AVRO_EVENTS,
    IDS,
    JSON_DEAD,
    JSON_EVENTS,
    JSON_FIELDS,
    JSON_FLAT,
    JSON_NESTED,
    SALES_REGISTERED,
    TEXT,
)

KEY = CONTROL_KEY
CONTROL = json.dumps({CONTROL_FIELD: SENDER, "event_time": "2026-11-22T12:00:00Z"}).encode()
STREAMS = pytest.mark.parametrize("stream", [SALES_REGISTERED, JSON_FLAT, JSON_NESTED], ids=["avro", "flat", "nested"])
EVENTS: dict[str, list[bytes]] = {
    "avro": [value for value, _ in AVRO_EVENTS.values()],
    "json": list(JSON_EVENTS.values()),
}
REJECTED: dict[str, list[bytes]] = {
    "avro": [value for value, _ in AVRO_DEAD.values() if value is not None],
    "json": [value for value, _ in JSON_DEAD.values() if value is not None],
}


def is_json(stream: Stream) -> str:
    return "avro" if stream is SALES_REGISTERED else "json"


def test_avro_in_one_batch(spark: SparkSession) -> None:
    wanted: list[Any] = [Accepted(fields) for _, fields in AVRO_EVENTS.values()]
    wanted += [error for _, error in AVRO_DEAD.values()]
    items: list[Item] = [value for value, _ in (*AVRO_EVENTS.values(), *AVRO_DEAD.values())]
    assert [outcome(each) for each in engine_answers(spark, SALES_REGISTERED, items)] == wanted
    assert [outcome(each) for each in reference_answers(SALES_REGISTERED, items)] == wanted


@pytest.mark.parametrize("stream", [JSON_FLAT, JSON_NESTED], ids=["flat", "nested"])
def test_json_in_one_batch(spark: SparkSession, stream: Stream) -> None:
    fields = JSON_FIELDS if stream is JSON_FLAT else {**JSON_FIELDS, "tags": None}
    wanted: list[Any] = [Accepted(fields) for _ in JSON_EVENTS]
    wanted += [error for _, error in JSON_DEAD.values()]
    items: list[Item] = [*JSON_EVENTS.values(), *(value for value, _ in JSON_DEAD.values())]
    assert [outcome(each) for each in engine_answers(spark, stream, items)] == wanted
    assert all(map(same, engine_answers(spark, stream, items), reference_answers(stream, items)))


@STREAMS
def test_control_records_have_no_prefix(spark: SparkSession, stream: Stream) -> None:
    event = EVENTS[is_json(stream)][0]
    items: list[Item] = [
        (KEY, CONTROL),
        (KEY, CONTROL.replace(b"T12", b"T13")),
        (KEY, event),
        (None, CONTROL),
        (KEY, prefix_of(7) + CONTROL),
        (KEY, prefix_of(7) + TEXT[:-1] + b', "tandem_control": 1}'),
        (KEY, TEXT),
        (KEY, b"{}"),
        (KEY, prefix_of(8) + TEXT),
    ]
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    assert all(map(same, found, expected)), (found, expected)
    assert [type(each).__name__ for each in found[:4]] == ["Control", "Dead", "Accepted", "Dead"]


@STREAMS
def test_an_unknown_id_is_named_with_what_to_do(spark: SparkSession, stream: Stream) -> None:
    items: list[Item] = [prefix_of(8) + TEXT, b"\x00\xff\xff\xff\xff" + TEXT]
    details = [each.detail for each in engine_answers(spark, stream, items) if isinstance(each, Dead)]
    assert stream.format is not None
    end = f": not among the schemas of {stream.format.subject}; run `tandem schemas pull` and submit the job"
    assert details == [f"schema id 8{end}", f"schema id 4294967295{end}"]


@STREAMS
def test_any_bytes_end_once_and_alike(spark: SparkSession, stream: Stream) -> None:
    values = st.sampled_from(EVENTS[is_json(stream)] + REJECTED[is_json(stream)])
    damaged = st.tuples(values, st.integers(0, 80), st.binary(max_size=3), st.integers(0, 3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + parts[3] :]
    )
    heads = st.sampled_from([*HEADERS.values(), *map(prefix_of, (*IDS.values(), 7, 8, 12))])
    noise = st.tuples(heads, st.binary(max_size=60)).map(b"".join)
    keys = st.sampled_from([None, b"", KEY])
    kinds = set()

    # The same examples every time; each costs two Spark jobs, so a failing one is shown as it is, not made smaller.
    @settings(
        max_examples=batches_of(100, 6),
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(items=st.lists(st.tuples(keys, values | damaged | noise), min_size=100, max_size=160))
    def compare(items: list[Item]) -> None:
        found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
        differing = [(i, f, e) for i, f, e in zip(items, found, expected, strict=True) if not same(f, e)]
        assert differing == []
        kinds.update(type(answer).__name__ for answer in found)

    compare()
    # It would be too easy to agree that all of it is dead.
    assert kinds >= {"Accepted", "Dead"}
