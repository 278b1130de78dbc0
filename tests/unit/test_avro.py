"""Avro without Spark: what a declaration must be, what verify makes of bytes, and what producers send."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.errors import UsageError
from tandem.pipeline import Avro, FieldType, Stream
from tandem.producer.avro_encoder import MALFORMED, AvroEncoder, AvroRecordEncoder
from tandem.verify.reference import Accepted, Control, Dead, Validator
from tandem.verify.strict_avro import decoder
from tests.avro import DEAD, EVENTS, FIELDS, MICROS, MILLIS, NOON_MS, SALES, SCHEMAS, field, schema

ARRIVED_MS = NOON_MS + 3_600_000
SIZE = {"type": "enum", "name": "Size", "symbols": ["S"]}
# Each type contains the previous one twice.
DOUBLING = [
    field(f"f{n}", {"type": "record", "name": f"T{n}", "fields": [field(x, f"T{n - 1}" if n else "int") for x in "ab"]})
    for n in range(20)
]
validate = Validator(SALES, max_clock_skew_seconds=300, sender="mart/mine")


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    value, expected = EVENTS[name]
    assert validate(None, value, ARRIVED_MS) == Accepted(expected)


@pytest.mark.parametrize("name", DEAD)
def test_dead(name: str) -> None:
    value, expected = DEAD[name]
    found = validate(None, value, ARRIVED_MS)
    assert isinstance(found, Dead)
    assert found.error == expected


def test_control_records_are_json() -> None:
    value = json.dumps({"tandem_control": "mart/mine", "event_time": "2026-11-22T11:00:00Z"}).encode()
    assert validate(CONTROL_KEY, value, ARRIVED_MS) == Control(NOON_MS * 1000)
    assert isinstance(validate(None, value, ARRIVED_MS), Dead)
    assert isinstance(validate(CONTROL_KEY, EVENTS["newest"][0], ARRIVED_MS), Accepted)


def test_a_reader_is_shown_all_that_a_record_says() -> None:
    document = validate.document(EVENTS["newest"][0])
    assert document is not None
    assert (document["id"], document["channel"]) == ("s", "web")
    assert validate.document(b"{}") is None


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ({1: "{"}, r"sales\.v1\.avsc: Expecting"),
        ({1: '"string"'}, "not the schema of a record"),
        ({1: schema(field("next", ["null", "Sale"]))}, "contains itself"),
        ({1: schema(field("next", {"type": "array", "items": "shop.v1.Sale"}))}, "contains itself"),
        ({1: schema(field("size", "Size"))}, "type Size is not defined"),
        ({1: schema(field("size", SIZE), field("other", SIZE))}, r"type shop\.v1\.Size is defined twice"),
        ({1: schema(field("size", {"type": "array"}))}, "None is not a type"),
        ({1: schema(field("size", {"type": "fixed", "size": 2}))}, "a type fixed without a name"),
        ({1: schema(*DOUBLING)}, "more than 10000 types"),
        ({1: schema(field("my-field", "int"))}, r"'my-field' in shop\.v1\.Sale is not a name in Avro"),
        ({1: schema(field("id", "string"), field("ID", "string"))}, "fields 'id' and 'ID' of .* differ in case only"),
        ({1: schema(field("id", "string")), 2: schema(field("id", "string", doc="other"))}, r"the same as .*v1\.avsc"),
        ({1: schema(field("at", MILLIS)), 2: schema(field("at", MICROS))}, r"the same as .*v1\.avsc"),
    ],
)
def test_schemas_that_cannot_be_used(texts: dict[int, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Avro.parse("sales", texts)


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        (schema(field("id", "string"), field("at", MICROS)), "has no field 'amount'"),
        (schema(field("id", "string"), field("at", "long"), field("amount", "long")), "'at' is declared as timestamp"),
        (schema(field("id", "bytes"), field("at", MICROS), field("amount", "long")), "'id' is declared as string"),
        (
            schema(field("id", "string"), field("at", MICROS), field("amount", ["int", "long"])),
            "'amount' is declared as integer",
        ),
    ],
)
def test_the_newest_schema_has_what_is_declared(newest: str, why: str) -> None:
    fields = {name: FIELDS[name] for name in ("id", "at", "amount")}
    with pytest.raises(ValueError, match=rf"schemas/sales\.v2\.avsc: .*{why}"):
        Stream("sales", "sales", fields, "at", "id", format=Avro.parse("sales", {1: SCHEMAS[3], 2: newest}))


def test_attributes_that_are_null_are_absent() -> None:
    fields = [field("id", "string", aliases=None, namespace=None), field("at", MICROS), field("amount", "long")]
    text = json.dumps({"type": "record", "name": "Sale", "namespace": None, "fields": fields})
    declared = {name: FIELDS[name] for name in ("id", "at", "amount")}
    assert Stream("sales", "sales", declared, "at", "id", format=Avro.parse("sales", {1: text}))


ADDRESS = {
    "type": "record",
    "name": "Address",
    "fields": [field("city", "string"), field("extra", ["string", "long"]), field("number", "int", default="none")],
}
ADDRESSED = Stream(
    "sales",
    "sales",
    {"id": FieldType.STRING, "at": FieldType.TIMESTAMP, "address": FieldType.record({"city": FieldType.TEXT})},
    "at",
    "id",
    format=Avro.parse(
        "sales",
        {
            1: schema(field("id", "string"), field("at", MICROS)),
            2: schema(
                field("id", "string"),
                field("at", MICROS),
                field("address", ADDRESS, default={"city": "x", "extra": "y", "number": 1}),
                field("broken", "string", default=None),
            ),
        },
    ),
)


def test_a_default_counts_by_its_declared_parts() -> None:
    assert isinstance(ADDRESSED.format, Avro)
    value = AvroEncoder(ADDRESSED.format.versions[0])({"id": "s", "at": NOON_MS * 1000})
    expected = {"id": "s", "at": NOON_MS * 1000, "address": {"city": "x"}}
    assert Validator(ADDRESSED, max_clock_skew_seconds=300)(None, value, ARRIVED_MS) == Accepted(expected)
    sources = ADDRESSED.format.sources(ADDRESSED.format.versions[0], ADDRESSED.fields)
    assert sources["address"].default == {"city": "x"}


def test_samples_are_not_written_with_a_schema_whose_default_is_wrong() -> None:
    assert isinstance(ADDRESSED.format, Avro)
    with pytest.raises(UsageError, match=r"schemas/sales\.v2\.avsc: Default value"):
        AvroEncoder(ADDRESSED.format.newest)


def test_a_missing_file_is_reported() -> None:
    with pytest.raises(ValueError, match=r"no schemas/sales\.v1\.avsc in tandem\.engine"):
        Avro.of("tandem.engine", "sales")


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_samples_are_dead(kind: str) -> None:
    assert SALES.format is not None
    fields = {"id": "bad-1", "at": NOON_MS, "amount": 5, "currency": "EUR", "rated": NOON_MS}
    value = MALFORMED[kind](AvroRecordEncoder(SALES, SALES.format), fields)
    assert isinstance(validate(None, value, ARRIVED_MS), Dead)


def test_unusual_samples_are_of_each_schema_that_can_be_read() -> None:
    assert SALES.format is not None
    values = AvroRecordEncoder(SALES, SALES.format)
    fields = {"id": "s", "at": NOON_MS, "amount": 5, "currency": "EUR", "rated": 0, **_OTHERS}
    found = {choice: values.unusual(fields, choice) for choice in (0.0, 0.9)}
    assert len({value[:10] for value in found.values()}) == 2
    expected = Accepted({"id": "s", "at": NOON_MS * 1000, "amount": 5, "currency": "EUR", "rated": 0})
    assert {repr(validate(None, value, ARRIVED_MS)) for value in found.values()} == {repr(expected)}


def test_a_sample_that_an_older_schema_cannot_have_is_of_the_newest() -> None:
    sizes = ({"type": "enum", "name": "Size", "symbols": symbols} for symbols in (["S"], ["S", "L"]))
    texts = {
        number: schema(field("id", "string"), field("at", MICROS), field("size", each))
        for number, each in enumerate(sizes, 1)
    }
    avro = Avro.parse("sales", texts)
    declared = {"id": FieldType.STRING, "at": FieldType.TIMESTAMP, "size": FieldType.enum("S", "L")}
    values = AvroRecordEncoder(Stream("sales", "sales", declared, "at", "id", format=avro), avro)
    fields = {"id": "s", "at": NOON_MS, "size": "L"}
    assert values.unusual(fields, 0) == values.plain(fields)
    assert values.unusual({**fields, "size": "S"}, 0) != values.plain({**fields, "size": "S"})


_OTHERS: dict[str, Any] = {
    "tags": [],
    "counts": {},
    "size": "S",
    "mark": b"abc",
    "price": b"",
    "inner": {"size": "S", "rate": 0.0, "seen": 0},
    "odd": None,
    "flag": True,
    "rate": 0.0,
    "none": None,
    "day": 0,
}
_LIBRARY = fastavro.parse_schema(
    {
        "type": "record",
        "name": "All",
        "fields": [
            field("text", "string"),
            field("raw", "bytes"),
            field("number", "long"),
            field("small", "int"),
            field("real", "double"),
            field("items", {"type": "array", "items": ["null", "long", "string"]}),
            field("named", {"type": "map", "values": "boolean"}),
        ],
    }
)
_RECORDS = st.fixed_dictionaries(
    {
        "text": st.text(),
        "raw": st.binary(),
        "number": st.integers(-(2**63), 2**63 - 1),
        "small": st.integers(-(2**31), 2**31 - 1),
        "real": st.floats(allow_nan=False),
        "items": st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.text()),
        "named": st.dictionaries(st.text(), st.booleans()),
    }
)


def _texts(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@given(_RECORDS)
def test_what_the_library_writes_is_read(record: dict[str, Any]) -> None:
    payload = io.BytesIO()
    fastavro.schemaless_writer(payload, _LIBRARY, record)
    expected = {
        **record,
        "text": record["text"].encode(),
        "items": [_texts(each) for each in record["items"]],
        "named": {name.encode(): each for name, each in record["named"].items()},
    }
    assert decoder(_LIBRARY)(payload.getvalue()) == expected


def test_the_types_of_a_declaration_are_all_tried() -> None:
    assert set(FIELDS.values()) == {FieldType.STRING, FieldType.INTEGER, FieldType.TIMESTAMP}
