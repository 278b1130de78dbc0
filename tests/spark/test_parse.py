"""Every record becomes exactly one event, control record or dead letter, and both implementations say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.control_record import CONTROL_FIELD, CONTROL_KEY, CONTROL_TIME_FIELD
from tandem.engine.declare.kind import Declared, Kind
from tandem.engine.read.parse import ASIDE, IS_CONTROL, parse
from tandem.engine.write.compilation import INTERPRETED, Compilation
from tandem.pipeline import Stream
from tandem.pipelines.orders_payments.streams import ORDERS
from tandem.verify.reference import Accepted, Control, Dead
from tests.avro import SALES
from tests.spark.answers import SENDER, SKEW, Item, batches_of, engine_answers, outcome, reference_answers
from tests.spark.records import kafka_rows

ORDER: dict[str, Any] = {
    "order_id": "o-1",
    "order_date": "2026-11-22T11:00:00Z",
    "created_at": "2026-11-22 11:00:01.5",
    "customer_id": "c-1",
    "amount": 12,
}


def order(**changes: Any) -> bytes:
    return json.dumps({**ORDER, **changes}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in ORDER.items() if key != name}).encode()


VALID: dict[str, bytes] = {
    "plain": order(),
    "extra fields": order(extra={"a": [1, None]}, tandem_control="not a control record without the key"),
    "escaped backslash before a u": order().replace(b"o-1", b"\\\\u" + "\u0536".encode() + b"00b"),
    "numeric-looking id": order(order_id="42"),
    "numeric-looking id, blanks": order(order_id="42").replace(b'"order_id": ', b'"order_id" \n:\t'),
    "numeric-looking id, extra field": order(order_id="42", extra=7),
    "quotation mark": order(order_id='it\'s "o-1"'),
    "boolean-looking id": order(customer_id="true"),
    "json-looking id": order(order_id='{"$set": 1}'),
    "operators": order(order_id="$set", customer_id="a.b"),
    "bars": order(order_id="x|y\\z"),
    "unicode": order(order_id="žluťoučký 🐎"),
    "two pairs": order().replace(b"o-1", b"\\ud83d\\udc0e\\uD83D\\uDC0E"),
    "escaped backslash before half a pair": order().replace(b"o-1", b"\\\\ud83d"),
    "nul": order(order_id="a\u0000b"),
    "long id": order(order_id="x" * 100_000),
    "offset": order(order_date="2026-11-22T12:30:00+01:30"),
    "offset without colon": order(order_date="2026-11-22T12:30:00+0130"),
    "space, micros": order(order_date="2026-11-22 11:00:00.123456"),
    "no seconds": order(order_date="2026-11-22T11:00"),
    "epoch": order(order_date="1970-01-01T00:00:00Z"),
    "before the epoch": order(order_date="1969-12-31T23:59:59.999999Z"),
    "year 1": order(order_date="0001-01-01T00:00:00+18:00"),
    "largest": order(amount=2**63 - 1),
    "smallest": order(amount=-(2**63)),
    "minus zero": order().replace(b"12}", b"-0}"),
    "blanks around": b" \n\t" + order() + b"\r\n ",
    "just not the future": order(order_date="2026-11-22T12:05:00Z"),
    "deep but allowed": order(extra=0).replace(b'"extra": 0', b'"extra": ' + b"[" * 990 + b"]" * 990),
}
DEAD: dict[str, tuple[Item, str]] = {
    "null": (None, "empty_value"),
    "empty": (b"", "empty_value"),
    "blank": (b"  ", "not_json"),
    "invalid utf-8": (b'{"order_id": "\xff"}', "not_utf8"),
    "surrogate bytes": (b'"\xed\xa0\x80"', "not_utf8"),
    "byte order mark": (b"\xef\xbb\xbf" + order(), "not_json"),
    "truncated": (order()[:-1], "not_json"),
    "trailing text": (order() + b" x", "not_json"),
    "trailing brace": (order() + b"}", "not_json"),
    "trailing object": (order() + order(), "not_json"),
    "forged end": (order() + b',"hash":1}', "not_json"),
    "another member behind": (order() + b',"x":1', "not_json"),
    "another value behind": (order() + b",5", "not_json"),
    "escape with a letter whose lower byte is a digit": (
        order().replace(b"o-1", b"\\u" + "\u0536".encode() + b"00b"),
        "not_json",
    ),
    "comment": (order() + b"// x", "not_json"),
    "nan": (order().replace(b"12}", b"NaN}"), "not_json"),
    "lone surrogate": (order().replace(b"o-1", b"\\ud800"), "not_json"),
    "lone surrogate of the other half": (order().replace(b"o-1", b"\\uDc0e"), "not_json"),
    "two first halves": (order().replace(b"o-1", b"\\ud83d\\ud83d\\udc0e"), "not_json"),
    "two other halves": (order().replace(b"o-1", b"\\ud83d\\udc0e\\udc0e"), "not_json"),
    "duplicate keys": (order()[:-1] + b', "amount": 12}', "not_json"),
    "duplicate keys, inside": (order(x=0).replace(b'"x": 0', b'"x": {"a":1,"a":1}'), "not_json"),
    "too deep": (order(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 1000 + b"]" * 1000), "not_json"),
    "megabyte of noise": (b"\x01" * 1_000_000, "not_json"),
    "deep in a declared field": (
        order(amount=0).replace(b'"amount": 0', b'"amount": ' + b"[" * 990 + b"]" * 990),
        "wrong_type",
    ),
    "deep objects in an id": (
        order(order_id=0).replace(b": 0", b": " + b'{"a":' * 900 + b"1" + b"}" * 900, 1),
        "wrong_type",
    ),
    "deep array": (b"[" * 990 + b"]" * 990, "not_object"),
    "time with an offset but no seconds": (order(order_date="2026-11-22T11:00Z"), "bad_time"),
    "array": (b"[" + order() + b"]", "not_object"),
    "string": (b'"order"', "not_object"),
    "number": (b"5", "not_object"),
    "json null": (b"null", "not_object"),
    "empty object": (b"{}", "missing_field"),
    "missing id": (without("order_id"), "missing_field"),
    "missing amount": (without("amount"), "missing_field"),
    "null time": (order(order_date=None), "null_field"),
    "empty id": (order(order_id=""), "empty_field"),
    "number as id": (order(order_id=5), "wrong_type"),
    "number as id, extra number": (order(order_id=5, extra=7), "wrong_type"),
    "number as id, twice": (order(order_id=5).replace(b"{", b'{"order_id": 6, '), "not_json"),
    "nan as id": (order().replace(b'"o-1"', b"NaN"), "not_json"),
    "infinity as id": (order().replace(b'"o-1"', b"-Infinity"), "not_json"),
    "single quotes": (order().replace(b'"o-1"', b"'o-1'"), "not_json"),
    "bare key": (order().replace(b'"amount"', b"amount"), "not_json"),
    "leading zero": (order().replace(b"12}", b"012}"), "not_json"),
    "trailing comma": (order().replace(b"12}", b"12,}"), "not_json"),
    "line break in an id": (order().replace(b"o-1", b"o\n1"), "not_json"),
    "object as id": (order(order_id={"$gt": ""}), "wrong_type"),
    "boolean as customer": (order(customer_id=True), "wrong_type"),
    "text as amount": (order(amount="5"), "wrong_type"),
    "fraction": (order(amount=5.0), "wrong_type"),
    "exponent": (order().replace(b"12}", b"1e2}"), "wrong_type"),
    "too large": (order(amount=2**63), "wrong_type"),
    "number as time": (order(order_date=1763809200), "wrong_type"),
    "no time": (order(order_date="yesterday"), "bad_time"),
    "date only": (order(order_date="2026-11-22"), "bad_time"),
    "trailing newline": (order(order_date="2026-11-22T11:00:00Z\n"), "bad_time"),
    "february 30": (order(order_date="2026-02-30T11:00:00Z"), "bad_time"),
    "hour 24": (order(created_at="2026-11-22T24:00:00Z"), "bad_time"),
    "nanoseconds": (order(order_date="2026-11-22T11:00:00.1234567Z"), "bad_time"),
    "zone name": (order(order_date="2026-11-22T11:00:00 UTC"), "bad_time"),
    "future": (order(order_date="2026-11-22T12:05:00.000001Z"), "future_time"),
    "far future": (order(order_date="9999-12-31T23:59:59Z"), "future_time"),
    "control without time": ((CONTROL_KEY, json.dumps({CONTROL_FIELD: 1}).encode()), "bad_time"),
    "control in the future": (
        (CONTROL_KEY, json.dumps({CONTROL_FIELD: "", "event_time": "2026-11-22T13:00:00Z"}).encode()),
        "future_time",
    ),
}


@pytest.fixture(params=["compiled", "interpreted"], autouse=True)
def _both_ways(spark: SparkSession, request: pytest.FixtureRequest) -> Iterator[None]:
    """The job's first batches are interpreted."""
    if request.param == "interpreted":
        Compilation(spark)
    yield
    for name in INTERPRETED:
        spark.conf.unset(name)


def engine(spark: SparkSession, items: list[Item]) -> list[Accepted | Dead | Control]:
    return engine_answers(spark, ORDERS, items)


def reference(items: list[Item]) -> list[Accepted | Dead | Control]:
    return reference_answers(ORDERS, items)


def test_valid_matrix(spark: SparkSession) -> None:
    answers = dict(zip(VALID, engine(spark, list(VALID.values())), strict=True))
    assert {name: answer for name, answer in answers.items() if not isinstance(answer, Accepted)} == {}
    assert list(answers.values()) == reference(list(VALID.values()))


def test_malformed_matrix(spark: SparkSession) -> None:
    items = [item for item, _ in DEAD.values()]
    expected = {name: error for name, (_, error) in DEAD.items()}
    assert {n: outcome(a) for n, a in zip(DEAD, engine(spark, items), strict=True)} == expected
    assert {n: outcome(a) for n, a in zip(DEAD, reference(items), strict=True)} == expected


PREFIXED: list[tuple[bytes, str]] = [
    (b"\0\0\0\0\x07" + order(), "schema id 7)"),
    (b"\0\xff\xff\xff\xff" + order(), "schema id 4294967295)"),
    (b"\0\0\0\0\x07", "schema id 7)"),
]


@pytest.mark.parametrize(("stream", "wanted"), [(ORDERS, "plain JSON"), (SALES, "Avro's single-object encoding")])
def test_a_schema_registrys_prefix_is_named_with_what_to_do(spark: SparkSession, stream: Stream, wanted: str) -> None:
    items: list[Item] = [*(value for value, _ in PREFIXED), b"\0\0\0\0", b"\1" + order()]
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    assert [outcome(answer) for answer in found] == [outcome(answer) for answer in expected]
    details = [answer.detail if isinstance(answer, Dead) else "" for answer in found]
    # verify tells the same of it, but for what to do.
    known = [answer.detail if isinstance(answer, Dead) else "" for answer in expected]
    for (_, schema_id), detail, prefix in zip(PREFIXED, details, known, strict=False):
        assert prefix.endswith(schema_id)
        assert detail == f"{prefix}; configure the producer to send {wanted}"
    assert known[len(PREFIXED) :] == ["", ""]
    assert not any("registry" in detail for detail in details[len(PREFIXED) :])


def test_an_unknown_field_type_is_refused(spark: SparkSession) -> None:
    @dataclass(frozen=True)
    class Money(Declared):
        """Nothing knows it."""

    stream = replace(ORDERS, fields={**ORDERS.fields, "amount": cast(Kind, Money())})
    with pytest.raises(AssertionError, match="Money"):
        engine_answers(spark, stream, [order()])


def test_a_megabyte_of_anything_is_read(spark: SparkSession) -> None:
    """Java's patterns call themselves for each round of a group, and a thread's stack has no room for so many."""
    size = 200_000
    named = order().replace(b'"order_id":', b'"order_id"' + b" " * 1_000_000 + b":").replace(b"o-1", b"42")
    items: list[Item] = [
        named,
        *(
            order().replace(b"o-1", unit * (size // len(unit)) + end)
            for unit in (b"\\\\", rb"\\u", rb"\ud83d\ude00", rb"\ud83d", b"\xf0\x9f\x90\x8e", b"-1e", b'"', b"{", b"\n")
            for end in (b"", b"\\ud83d", b"\\")
        ),
        *(order().replace(b"12}", unit * (size // len(unit)) + b"}") for unit in (b"1", b"-+.eE", b"[", b'"":')),
        *(order(order_date=unit * (size // len(unit))) for unit in ("1", "2026-11-22T11:00:00.", "+18:00")),
    ]
    found, expected = engine(spark, items), reference(items)
    assert [outcome(answer) for answer in found] == [outcome(answer) for answer in expected]
    assert isinstance(found[0], Accepted)


def test_control_record(spark: SparkSession) -> None:
    """Only the sender's own one has an event time."""
    names = [SENDER, "mart/another", f"{SENDER} ", "", None, 1, [SENDER], {"sender": SENDER}]
    fields = [{CONTROL_FIELD: name, CONTROL_TIME_FIELD: "2026-11-22T12:00:00Z"} for name in names]
    items: list[Item] = [(CONTROL_KEY, json.dumps(each).encode()) for each in fields]
    own = Control(int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 1_000_000)
    assert engine(spark, items) == reference(items) == [own, *[Control(None)] * (len(items) - 1)]


def test_the_key_alone_makes_no_control_record(spark: SparkSession) -> None:
    items: list[Item] = [(CONTROL_KEY, order())]
    assert engine(spark, items) == reference(items)
    assert isinstance(engine(spark, items)[0], Accepted)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
odd_orders = st.dictionaries(st.sampled_from([*ORDER, "extra"]), json_values, max_size=3).map(lambda c: order(**c))
damaged = st.tuples(odd_orders, st.integers(0, 200), st.binary(max_size=3)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)
# Put together from members that are right, nearly right or there twice: what is plain enough for one look at it.
members = st.sampled_from(
    [
        *(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in ORDER.items()),
        *('"order_id": "42"', '"order_id": 42', '"order_id" : NaN', '"order_id": [1]', "'order_id': 'a'"),
        *('"customer_id": true', '"customer_id": "true"', '"customer_id":"{"', '"amount": 07', '"amount": "7"'),
        *('"extra": 1', '"extra": "x"', "extra: 1", '"":0', '"order_date": 5'),
    ]
)
assembled = st.tuples(
    st.lists(members, min_size=4, max_size=7), st.permutations(list(ORDER)), st.sampled_from(["}", "} ", "}}", ""])
).map(
    lambda parts: (
        "{" + ", ".join([*(f"{json.dumps(n)}: {json.dumps(ORDER[n])}" for n in parts[1][:3]), *parts[0]][:6]) + parts[2]
    ).encode()
)
times = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{0,7})?)?(Z|[+-][0-9]{2}:?[0-9]{0,2})?",
    fullmatch=True,
)
keys = st.sampled_from([None, b"", b"k", CONTROL_KEY])
any_record = st.tuples(
    keys, st.binary(max_size=40) | odd_orders | damaged | assembled | times.map(lambda t: order(order_date=t))
)


# The same examples every time; each costs two Spark jobs, so a failing one is shown as it is, not made smaller.
@settings(
    max_examples=batches_of(150, 6),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(items=st.lists(any_record, min_size=150, max_size=200))
def test_any_bytes_end_once_and_alike(spark: SparkSession, items: list[Item]) -> None:
    found, expected = engine(spark, items), reference(items)
    differing = [(i, f, e) for i, f, e in zip(items, found, expected, strict=True) if outcome(f) != outcome(e)]
    assert differing == []


@pytest.mark.parametrize("weakened", ["from_json alone", "try_parse_json alone"])
def test_a_weaker_parser_would_let_malformed_records_through(spark: SparkSession, weakened: str) -> None:
    """The negative control of strict parsing: each half alone accepts records that must be dead."""
    text = F.col("value").cast("string")
    rows = kafka_rows(spark, ORDERS.topic, [order(order_id=5), order() + b" x"])
    if weakened == "from_json alone":
        accepted = rows.where(F.from_json(text, "order_id string")["order_id"].isNotNull())
        assert accepted.count() == 2
    else:
        accepted = rows.where(F.try_parse_json(text).isNotNull())
        assert accepted.count() == 2


@pytest.mark.parametrize("micros", [-1000, 2**63 - 1 - 807, -(2**63)])
def test_no_timestamp_of_a_record_is_too_large(spark: SparkSession, micros: int) -> None:
    """With CreateTime it is what the producer says; Spark's Kafka source gives it in microseconds."""
    key, control = CONTROL_KEY, {CONTROL_FIELD: "watermark", CONTROL_TIME_FIELD: ORDER["order_date"]}
    rows = kafka_rows(spark, ORDERS.topic, [order(), (key, json.dumps(control).encode())])
    parsed = parse(rows.withColumn("timestamp", F.timestamp_micros(F.lit(micros))), ORDERS, max_clock_skew_seconds=SKEW)
    found = [tuple(row) for row in parsed.select("order_id", f"{ASIDE}.{IS_CONTROL}").collect()]
    assert found == ([("o-1", None), (None, True)] if micros > 0 else [(None, False), (None, False)])
