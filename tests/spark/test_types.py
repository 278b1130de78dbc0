"""Any JSON text, read by any declaration: the engine and the plain-Python verification say the same of it.

``TYPE_EXAMPLES`` is the number of records to try, as in ``TYPE_EXAMPLES=10000 scripts/test spark -k alike``.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal as Exact
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tandem.engine.declare.kind import (
    DIGITS,
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
from tandem.engine.read.json_format import FlatJsonFormat
from tandem.engine.read.kafka_source import streamed
from tandem.engine.read.parse import parse
from tandem.pipeline import DeadLetterError, FieldType, Output, Pipeline, RecordPart, Stream
from tandem.verify.reference import Accepted, Dead
from tests.spark.answers import Item, batches_of, engine_answers, reference_answers, same
from tests.spark.records import SCHEMA, job_config

# A declaration costs two Spark jobs, so each is tried with many records.
RECORDS = 150
DECLARATIONS = batches_of(RECORDS, 6)

NAMES = ("a", "b", "x.y", "[0]", "it's", 'the "one"', "$set", "two words", "`")
SCALARS: tuple[Kind, ...] = (
    FieldType.STRING,
    FieldType.TEXT,
    FieldType.BOOLEAN,
    FieldType.INTEGER,
    FieldType.INTEGER_32,
    FieldType.DOUBLE,
    FieldType.decimal(5, 2),
    FieldType.decimal(34, 4),
    FieldType.decimal(34, 34),
    FieldType.decimal(3, 0),
    FieldType.decimal_bytes(5, 2),
    FieldType.decimal_bytes(34, 4),
    FieldType.decimal_bytes(34, 34),
    FieldType.decimal_bytes(3, 0),
    FieldType.DATE,
    FieldType.TIMESTAMP,
    FieldType.EPOCH_SECONDS,
    FieldType.EPOCH_MILLISECONDS,
    FieldType.EPOCH_MICROSECONDS,
    FieldType.BYTES,
    FieldType.enum("new", "paid", "it's"),
)
DEFAULTS = {str(FieldType.INTEGER): 7, str(FieldType.TEXT): "none", "decimal(5,2)": "1.5", "array": [], "map": {}}


def one_of(kind: Kind) -> st.SearchStrategy[Kind]:
    absent = [kind, kind, kind.optional()]
    if str(kind) in DEFAULTS:
        absent.append(kind.default(DEFAULTS[str(kind)]))
    return st.sampled_from(absent)


def fields_of(inner: st.SearchStrategy[Kind], least: int = 1) -> st.SearchStrategy[dict[str, Kind]]:
    return st.dictionaries(st.sampled_from(NAMES), inner.flatmap(one_of), min_size=least, max_size=4)


kinds = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.builds(FieldType.array, inner)
        | st.builds(FieldType.map, inner)
        | st.builds(FieldType.record, fields_of(inner))
    ),
    max_leaves=5,
)
streams = st.builds(
    lambda fields, event_time, identity: Stream("s", "s", {**OWN, **fields}, event_time, identity),
    fields_of(kinds, 2),
    st.sampled_from(["at", "inner.at", RecordPart.TIMESTAMP]),
    st.sampled_from(
        [
            "id",
            "inner.number",
            ("id", "inner.number", "inner.day", "inner.price"),
            (RecordPart.KEY, "id"),
            RecordPart.KEY,
        ]
    ),
)
OWN: dict[str, Kind] = {
    "id": FieldType.STRING,
    "at": FieldType.TIMESTAMP,
    "inner": FieldType.record(
        {
            "at": FieldType.EPOCH_MILLISECONDS,
            "number": FieldType.INTEGER,
            "day": FieldType.DATE,
            "price": FieldType.decimal(12, 3),
        }
    ),
}
GOOD: dict[str, Any] = {
    "id": "o|1",
    "at": "2026-11-22T11:00:00Z",
    "inner": {"at": 1_763_809_200_000, "number": -5, "day": "2026-11-22", "price": 12.5},
}


class Raw(str):
    """A JSON text that is put in as it is."""


NUMBERS = (
    *("0", "-0", "0.0", "-0.0", "-0e0", "1", "-1", "12.34", "100.00", "999.99", "1000", "1e2", "0.1e1", "12.345"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808"),
    *("1e400", "-1e400", "1e-400", "1.7976931348623157e308", "1.7976931348623159e308", "5e-324", "0.1", "1e22"),
    *("123456789012345678901234567890.1234", "1234567890123456789012345678901234", "9" * 38, "9" * 39, "9" * 400),
    *(f"0.{'0' * 33}1", f"0.{'0' * 37}1", f"0.{'0' * 38}1", f"1.{'0' * 37}", f"1.{'0' * 38}", "1." + "0" * 60),
    *("0.9999999999999999999999999999999999", "253402300799", "253402300800", "-62135596800", "-62135596801"),
    *(
        "1763809200000",
        "1763809200000000",
        "253402300799999",
        "253402300800000",
        "NaN",
        "Infinity",
        "01",
        "+1",
        ".5",
    ),
)
TEXTS = (
    *(
        "",
        "x",
        "new",
        "paid",
        "it's",
        "5",
        "12.34",
        "-0.00",
        "1.50000",
        "1e2",
        " 1",
        "1.",
        ".5",
        "01",
        "true",
        "null",
    ),
    *("2026-11-22", "2024-02-29", "2026-02-29", "0000-01-01", "9999-12-31", "2026-11-22\n", "2026-1-2"),
    *("2026-11-22T11:00:00Z", "2026-11-22 11:00", "2026-02-30T11:00:00Z", "0001-01-01T00:00:00+18:00"),
    *("QQ==", "QR==", "QUJD", "Q===", "QQ=", "====", "QQ==QQ==", "Q Q=", "_-__", "a|b\\c", "\0", "1." + "0" * 60),
    *("9" * 34, "9" * 35, "žluť 🐎", "{}", "[1]"),
)


def any_json(chance: Random, depth: int = 0) -> Any:
    """Returns any JSON value, a ``Raw`` where Python has no such number."""
    kinds = ["null", "boolean", "number", "text", "integer", "double", "letters", "array", "object"]
    match chance.choice(kinds if depth < 3 else kinds[:-2]):
        case "null":
            return None
        case "boolean":
            return chance.random() < 0.5
        case "number":
            return Raw(chance.choice(NUMBERS))
        case "text":
            return chance.choice(TEXTS)
        case "integer":
            return chance.randrange(-(10 ** chance.randrange(1, 25)), 10 ** chance.randrange(1, 25))
        case "double":
            return struct.unpack("d", chance.randbytes(8))[0]
        case "letters":
            return letters(chance)
        case "array":
            return [any_json(chance, depth + 1) for _ in range(chance.randrange(4))]
        case _:
            return {key(chance): any_json(chance, depth + 1) for _ in range(chance.randrange(4))}


def letters(chance: Random) -> str:
    return "".join(chance.choice("aZ5 |\\\"'$.{\0\néž漢🐎") for _ in range(chance.randrange(6)))


def key(chance: Random) -> str:
    return chance.choice((*NAMES, "", "a\0", letters(chance)))


def nearly(kind: Kind, chance: Random) -> Any:
    """Returns mostly a value of a type."""
    if chance.random() < 0.04:
        return any_json(chance)
    match kind:
        case Record():
            return record_of(kind.fields, chance)
        case Array():
            return [nearly(kind.items, chance) for _ in range(chance.randrange(4))]
        case Map():
            names = (chance.choice(NAMES) if chance.random() < 0.9 else key(chance) for _ in range(chance.randrange(4)))
            return {name: nearly(kind.values, chance) for name in names}
        case Enum():
            return chance.choice(kind.symbols)
        case Date():
            return str(date.fromordinal(chance.randrange(1, date.max.toordinal())))
        case Timestamp():
            if kind.unit is TimeUnit.ISO_8601:
                return str(datetime(1, 1, 1) + timedelta(microseconds=chance.randrange(2**58)))
            return chance.randrange(-62_135_596_801, 253_402_300_801) * (1_000_000 // kind.unit.micros)
        case Bytes():
            return b64encode(chance.randbytes(chance.randrange(6))).decode()
        case String():
            return chance.choice((letters(chance), "x", chance.choice(TEXTS)))
        case Integer():
            return chance.choice((chance.randrange(-9, 9), chance.randrange(-kind.largest - 2, kind.largest + 2)))
        case Boolean():
            return chance.random() < 0.5
        case Double():
            return Raw(chance.choice(NUMBERS))
        case Decimal():
            if kind.in_bytes:
                return b64encode(integer_bytes(kind.precision, chance)).decode()
            digits = chance.randrange(-(10**kind.precision), 10**kind.precision)
            exact = format(Exact(digits).scaleb(-kind.scale, context=DIGITS), "f")
            return chance.choice((Raw(exact), exact, Raw(chance.choice(NUMBERS))))


def integer_bytes(precision: int, chance: Random) -> bytes:
    """Returns the bytes of an integer that has about so many digits, or any bytes."""
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(19))
    limit = 10**precision
    number = chance.choice((chance.randrange(-limit, limit), chance.randrange(-300, 300), limit, -limit, limit - 1))
    least = number.bit_length() // 8 + 1
    return number.to_bytes(least + chance.choice((0, 0, 0, 1, 2)), "big", signed=True)


def record_of(fields: Mapping[str, Kind], chance: Random) -> dict[str, Any]:
    found = {name: nearly(kind, chance) for name, kind in fields.items()}
    for name, kind in fields.items():
        if chance.random() < (0.3 if kind.is_optional else 0.02):
            found[name] = None
            if chance.random() < 0.5:
                del found[name]
    return found


def dump(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {dump(each)}" for name, each in value.items()) + "}"
    return "[" + ", ".join(map(dump, value)) + "]" if isinstance(value, list) else json.dumps(value)


FLAT_NAMES = ("a", "b", "x.y", "$set", "two words", "-", "extra", "_corrupt_record")
# They are read in another way, most of their records without a variant.
FLAT_KINDS = (FieldType.STRING, FieldType.INTEGER, FieldType.TIMESTAMP)


def flat(fields: Mapping[str, Kind]) -> Stream:
    return Stream("s", "s", {"id": FieldType.STRING, "at": FieldType.TIMESTAMP, **fields}, "at", "id")


flat_streams = st.dictionaries(st.sampled_from(FLAT_NAMES), st.sampled_from(FLAT_KINDS), max_size=4).map(flat)


def item(stream: Stream, chance: Random) -> Item:
    others = {name: kind for name, kind in stream.fields.items() if name not in OWN}
    good = {name: value for name, value in GOOD.items() if name in stream.fields}
    own = good if chance.random() < 0.7 else record_of({name: OWN[name] for name in good}, chance)
    value = dump({**own, **record_of(others, chance)}).encode()
    if chance.random() < 0.05:
        at = chance.randrange(len(value))
        value = value[:at] + chance.randbytes(chance.randrange(3)) + value[at + chance.randrange(3) :]
    return chance.choice((b"k", b"k", b"k", b"k", "ž|\\".encode(), b"", b"\xff", None)), value


# The same examples every time; a failing one is shown as it is, not made smaller.
@settings(
    max_examples=DECLARATIONS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(stream=streams, chance=st.randoms(use_true_random=True))
def test_any_text_by_any_declaration_is_read_alike(spark: SparkSession, stream: Stream, chance: Random) -> None:
    read_alike(spark, stream, chance)


@settings(
    max_examples=batches_of(RECORDS, 2),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(stream=flat(dict(zip(FLAT_NAMES[:-1], FLAT_KINDS * 3, strict=False))), chance=Random(1))
@example(stream=flat({"_corrupt_record": FieldType.STRING}), chance=Random(2))
@given(stream=flat_streams, chance=st.randoms(use_true_random=True))
def test_any_text_by_a_flat_declaration_is_read_alike(spark: SparkSession, stream: Stream, chance: Random) -> None:
    assert FlatJsonFormat.can_read(stream) is ("_corrupt_record" not in stream.fields)
    read_alike(spark, stream, chance)


def read_alike(spark: SparkSession, stream: Stream, chance: Random) -> None:
    items = [item(stream, chance) for _ in range(RECORDS)]
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    COUNTED["records"] += len(items)
    COUNTED["accepted"] += sum(isinstance(answer, Accepted) for answer in expected)
    differing = [each for each in zip(items, found, expected, strict=True) if not same(each[1], each[2])]
    assert differing == [], dict(stream.fields)


def test_numbers_in_bytes_are_read_alike(spark: SparkSession) -> None:
    in_bytes = [kind for kind in SCALARS if isinstance(kind, Decimal) and kind.in_bytes]
    fields: dict[str, Kind] = {f"n{number}": kind.optional() for number, kind in enumerate(in_bytes)}
    stream = Stream("s", "s", {**OWN, **fields}, event_time="at", identity="id")
    chance = Random(5)
    items: list[Item] = []
    for name, kind in zip(fields, in_bytes, strict=True):
        for _ in range(RECORDS):
            text = b64encode(integer_bytes(kind.precision, chance)).decode()
            items.append(json.dumps({**GOOD, name: text}).encode())
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    assert [each for each in zip(items, found, expected, strict=True) if not same(each[1], each[2])] == []
    assert 0.3 < sum(isinstance(each, Accepted) for each in found) / len(found) < 0.9


def test_the_least_number_keeps_its_scale(spark: SparkSession) -> None:
    kind = FieldType.decimal(34, 34)
    stream = Stream("s", "s", {**OWN, "n": kind}, event_time="at", identity="id")
    items: list[Item] = [json.dumps({**GOOD, "n": f"0.{'0' * 33}6"}).encode()]
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    assert isinstance(found[0], Accepted)
    assert repr(found[0].fields["n"]) == "Decimal('6E-34')"
    assert same(found[0], expected[0])


COUNTED = {"records": 0, "accepted": 0}


def test_the_examples_are_of_both_sorts() -> None:
    """The negative control of the property: without events, or without dead letters, it would show little."""
    if not COUNTED["records"]:
        pytest.skip("the property was not tried")
    print(COUNTED)  # noqa: T201
    assert 0.1 < COUNTED["accepted"] / COUNTED["records"] < 0.9


PATHS: dict[str, Kind] = {
    **OWN,
    "items": FieldType.array(
        FieldType.record(
            {"sku": FieldType.STRING, "price": FieldType.decimal(5, 2), "tags": FieldType.array(FieldType.TEXT)}
        )
    ),
    "prices": FieldType.map(FieldType.record({"net": FieldType.INTEGER_32})).optional(),
    "[0]": FieldType.record({"[1]": FieldType.STRING}).optional(),
}
LINE = {"sku": "x", "price": "1.50", "tags": []}


@pytest.mark.parametrize(
    ("changes", "error", "detail"),
    [
        (
            {"items": [LINE, LINE, LINE, {**LINE, "price": "dear"}]},
            "wrong_type",
            "items[3].price: not of type decimal(5,2)",
        ),
        ({"items": [LINE, {"sku": "x"}]}, "missing_field", "items[1].price"),
        ({"items": [{**LINE, "sku": ""}]}, "empty_field", "items[0].sku"),
        ({"items": [{**LINE, "tags": ["a", None]}]}, "null_field", "items[0].tags[1]"),
        ({"items": [LINE, None]}, "null_field", "items[1]"),
        ({"items": LINE}, "wrong_type", "items: not of type array"),
        ({"inner": {**GOOD["inner"], "day": "2026-02-30"}}, "bad_time", "inner.day"),
        ({"inner": {**GOOD["inner"], "at": 10**15}}, "bad_time", "inner.at"),
        ({"prices": {"secret": {"net": 1.5}}}, "wrong_type", "prices[*].net: not of type 32-bit integer"),
        (
            {"prices": {"a": 5, "b": {"net": 1.5}, "c": {"net": 1}}},
            "wrong_type",
            "prices[*].net: not of type 32-bit integer",
        ),
        ({"prices": {"a": None, "b": {"net": None}}}, "null_field", "prices[*]"),
        ({"[0]": {"[1]": 5}}, "wrong_type", "[0].[1]: not of type string"),
        ({"prices": {"a\0": {"net": 1}}}, "wrong_type", "prices: not of type map"),
        ({"prices": 5}, "wrong_type", "prices: not of type map"),
        ({"at": "2999-01-01T00:00:00Z"}, "future_time", "at: more than 300 s after the record's Kafka timestamp"),
    ],
)
def test_a_dead_letter_names_the_path(spark: SparkSession, changes: dict[str, Any], error: str, detail: str) -> None:
    stream = Stream("s", "s", PATHS, event_time="at", identity="id")
    items: list[Item] = [json.dumps({**GOOD, "items": [LINE], **changes}).encode()]
    found, expected = engine_answers(spark, stream, items)[0], reference_answers(stream, items)[0]
    assert found == Dead(cast(DeadLetterError, error), detail)
    assert same(found, expected)


@pytest.mark.parametrize("event_time", ["when.it was", RecordPart.TIMESTAMP])
def test_a_streams_watermark_may_have_any_name(spark: SparkSession, tmp_path: Path, event_time: Any) -> None:
    fields: dict[str, Kind] = {"id": FieldType.STRING, "when.it was": FieldType.TIMESTAMP}
    stream = Stream("s", "s", fields, event_time=event_time, identity=RecordPart.KEY)
    pipeline = Pipeline("p", (stream,), lambda rows: rows, (Output("c", lambda rows: rows),), "dead")
    records = spark.readStream.schema(SCHEMA).parquet(str(tmp_path))
    rows = streamed(pipeline, [parse(records, stream, max_clock_skew_seconds=300)], {}, job_config("p"))
    dated = [field.name for field in rows.schema if "spark.watermarkDelayMs" in str(field.json())]
    assert dated == [stream.time_column]
    assert set(rows.columns) >= {*fields, stream.time_column, "identity"}
