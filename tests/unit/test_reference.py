"""The oracle's validation of single records, by the contract's words; the engine is compared with it elsewhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.stream import REGISTRY_PREFIX
from tandem.pipeline import DeadLetterError, FieldType, RecordPart, Stream
from tandem.verify import strict_json
from tandem.verify.reference import Accepted, Control, Dead, Validator, micros

STREAM = Stream(
    name="orders",
    topic="orders_v1",
    fields={"id": FieldType.STRING, "at": FieldType.TIMESTAMP, "amount": FieldType.INTEGER},
    event_time="at",
    identity="id",
)
GOOD: dict[str, Any] = {"id": "o1", "at": "2023-11-14T22:00:00Z", "amount": 5}
ARRIVED_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z
SKEW_SECONDS = 300

validate = Validator(STREAM, max_clock_skew_seconds=SKEW_SECONDS, sender="mart/mine")


def outcome(value: bytes | None, key: bytes | None = None) -> str:
    found = validate(key, value, ARRIVED_MS)
    if isinstance(found, Dead):
        return f"{found.error} {found.detail}".strip()
    return "control" if isinstance(found, Control) else "event"


def record(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def raw(extra: bytes) -> bytes:
    return record()[:-1] + b', "x": ' + extra + b"}"


def test_event_has_typed_fields() -> None:
    found = validate(b"any key", record(other=[1, {"a": None}]), ARRIVED_MS)
    assert found == Accepted({"id": "o1", "at": 1_699_999_200_000_000, "amount": 5})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "empty_value"),
        (b"", "empty_value"),
        (b"\xff", "not_utf8"),
        (b"\xed\xa0\x80", "not_utf8"),  # a surrogate, encoded
        (b"\xc0\x80", "not_utf8"),  # too long a form
        (b" ", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (record()[:-1], "not_json"),
        (record() + b"x", "not_json"),
        (record() + record(), "not_json"),
        (record() + b',"x":1', "not_json"),
        (b" \n\t\r" + record() + b" \n\t\r", "event"),
        (b"\x0b" + record(), "not_json"),
        (b"null", "not_object"),
        (b"[]", "not_object"),
        (b"5", "not_object"),
        (b"{}", "missing_field id"),
        (record(id=None), "null_field id"),
        (record(id=5), "wrong_type id"),
        (record(id=""), "empty_field id"),
        (record(id="\0"), "event"),
        (record(at=None), "null_field at"),
        (record(at=5), "wrong_type at"),
        (record(at=""), "bad_time at"),
        (record(amount="5"), "wrong_type amount"),
        (record(amount=True), "wrong_type amount"),
        (record(amount=5.0), "wrong_type amount"),
        (record(amount=2**63 - 1), "event"),
        (record(amount=2**63), "wrong_type amount"),
        (record(amount=-(2**63)), "event"),
        (record(amount=-(2**63) - 1), "wrong_type amount"),
        (record(id="", at=None), "empty_field id"),  # in the order of the declaration
        (record(at="2023-11-14T22:18:20Z"), "event"),  # five minutes ahead
        (record(at="2023-11-14T22:18:20.000001Z"), "future_time at"),
        (record(at="2099-01-01T00:00:00Z", amount=None), "null_field amount"),
        (record(tandem_control=1), "event"),
        (b"\0\0\0\0\x07" + record(), f"not_json {REGISTRY_PREFIX % 7}"),
        (b"\0\0\0\1\xff" + record(), f"not_utf8 {REGISTRY_PREFIX % 511}"),
        (b"\0\0\0\0\x07", f"not_json {REGISTRY_PREFIX % 7}"),
        (b"\0\0\0\0", "not_json"),
        (b"\1\0\0\0\x07" + record(), "not_json"),
    ],
)
def test_outcome(value: bytes | None, expected: str) -> None:
    assert outcome(value) == expected


@pytest.mark.parametrize(
    "extra",
    [
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b"1e",
        b"'a'",
        b'"\t"',
        b'"\\x"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800": 1}',
        b'{"a": 1, "a": 1}',
        b'[{"a": 1, "\\u0061": 2}]',
        b"[1,]",
        b'{"a": 1,}',
        b"/* c */ 1",
        b"1" * 1001,
        b"-" + b"1" * 1001,
        b"1." + b"1" * 1000,
        b"0.5e" + b"1" * 999,
        b"[" * 999 + b"]" * 999,
        b'{"a":' * 999 + b"1" + b"}" * 999,
        b"[" * 100_000,
        b'{"' + b"a" * 50_001 + b'": 1}',
        b"1, " + b'"id": "o2"',
    ],
)
def test_not_json(extra: bytes) -> None:
    assert outcome(raw(extra)) == "not_json"


@pytest.mark.parametrize(
    "extra",
    [
        b"1e400",
        b"-0.0",
        b'"\\ud83d\\ude00"',
        b'"\\u0000\x7f"',
        b"1" * 1000,
        b"-" + b"1" * 1000,
        b"0." + b"1" * 1000,
        b"0.5e" + b"1" * 998,
        b"[" * 998 + b"]" * 998,
        b'{"a":' * 998 + b"1" + b"}" * 998,
        b"[" + b"[]," * 5000 + b"[]]",
        b'{"' + b"a" * 50_000 + b'": 1}',
        b'"' + b"a" * 1_000_000 + b'"',
    ],
)
def test_json(extra: bytes) -> None:
    assert outcome(raw(extra)) == "event"


def test_minus_zero_is_an_integer() -> None:
    found = validate(None, record().replace(b"5", b"-0"), ARRIVED_MS)
    assert isinstance(found, Accepted)
    assert found.fields["amount"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00", 0),
        ("1970-01-01T00:00:00.5", 500_000),
        ("1970-01-01T00:00:00.000001+00:00", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("1970-01-01T01:00:00+01", 0),
        ("1970-01-01T00:00:00-0130", 5_400_000_000),
        ("1970-01-01T00:00:00-18:00", 64_800_000_000),
        ("0001-01-01T00:00:00+18:00", -62_135_661_600_000_000),
        ("9999-12-31T23:59:59-18:00", 253_402_365_599_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ("2023-02-29T00:00:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("1970-01-01T00:00:60Z", None),
        ("1970-01-01T00:60:00Z", None),
        ("1970-13-01T00:00:00Z", None),
        ("1970-01-01T00:00:00.1234567Z", None),
        ("1970-01-01T00:00:00+18:01", None),
        ("1970-01-01T00:00Z", None),  # an offset only behind seconds
        ("1970-01-01T00:00:00Z\n", None),
        (" 1970-01-01T00:00:00Z", None),
        ("1970-01-01", None),
        ("1970", None),
        ("\u0661970-01-01T00:00:00Z", None),
    ],
)
def test_time(text: str, expected: int | None) -> None:
    assert micros(text) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"tandem_control": None, "event_time": "2023-11-14T22:13:20Z"}, "control"),
        ({"tandem_control": 1}, "bad_time event_time"),
        ({"tandem_control": 1, "event_time": 5}, "bad_time event_time"),
        ({"tandem_control": 1, "event_time": "2099-01-01T00:00:00Z"}, "future_time event_time"),
        ({"event_time": "2023-11-14T22:13:20Z"}, "missing_field id"),
        (GOOD, "event"),
    ],
)
def test_control_needs_key_and_field(document: dict[str, Any], expected: str) -> None:
    value = json.dumps(document).encode()
    assert outcome(value, CONTROL_KEY) == expected
    assert outcome(value, b"other") in ("missing_field id", "event")


@pytest.mark.parametrize("sender", ["mart/mine", "mart/another", "", None, 1, ["mart/mine"]])
def test_only_a_control_record_of_the_sender_has_an_event_time(sender: object) -> None:
    value = json.dumps({"tandem_control": sender, "event_time": "2023-11-14T22:13:20Z"}).encode()
    own = sender == "mart/mine"
    assert validate(CONTROL_KEY, value, ARRIVED_MS) == Control(ARRIVED_MS * 1000 if own else None)
    nobody = Validator(STREAM, max_clock_skew_seconds=SKEW_SECONDS)
    assert nobody(CONTROL_KEY, value, ARRIVED_MS) == Control(None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@settings(max_examples=50)
@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_both_parsers_agree_with_what_was_written(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    expected = json.loads(text, parse_float=strict_json.Number)
    assert strict_json.parse(text) == strict_json.Parser(text).parse() == expected
    assert json.loads(text) == value


@given(st.text(alphabet='{}[]:,"\\u01.eE+- \ntrualsn\x00é', max_size=12))
def test_both_parsers_reject_the_same(text: str) -> None:
    def accepts(parse: Any) -> bool:
        try:
            parse()
        except ValueError:
            return False
        return True

    assert accepts(lambda: strict_json.parse(text)) == accepts(strict_json.Parser(text).parse)


NESTED = Stream(
    "s",
    "s",
    {
        "m": FieldType.map(FieldType.record({"net": FieldType.INTEGER})),
        "[0]": FieldType.record({"[1]": FieldType.STRING}).optional(),
        ".": FieldType.record({".": FieldType.STRING}).optional(),
    },
    event_time=RecordPart.TIMESTAMP,
    identity=RecordPart.KEY,
)


@pytest.mark.parametrize(
    ("value", "error", "path"),
    [
        ({"m": {"a": 5, "b": {"net": "x"}}}, DeadLetterError.WRONG_TYPE, "m[*].net"),
        ({"m": {"a": 5, "b": {"net": 1}}}, DeadLetterError.WRONG_TYPE, "m[*]"),
        ({"m": {"a\0": {"net": "x"}}}, DeadLetterError.WRONG_TYPE, "m"),
        ({"m": {"a": None, "b": {"net": None}}}, DeadLetterError.NULL_FIELD, "m[*]"),
        ({"m": {}, "[0]": {"[1]": 5}}, DeadLetterError.WRONG_TYPE, "[0].[1]"),
        ({"m": {}, ".": {".": ""}}, DeadLetterError.EMPTY_FIELD, "..."),
    ],
)
def test_the_path_is_the_one_that_the_engine_names(value: Any, error: DeadLetterError, path: str) -> None:
    """The engine takes the least of its details, of which a wrong type's goes on behind the path with a colon."""
    validate = Validator(NESTED, max_clock_skew_seconds=1)
    assert validate(b"k", json.dumps(value).encode(), 0) == Dead(error, path)
