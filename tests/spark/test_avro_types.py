"""Any Avro record, read by any declaration: the engine and the plain-Python verification say the same of it.

Set ``TYPE_EXAMPLES`` to the number of records to try.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal as Exact
from itertools import count
from random import Random
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tandem.engine.declare.kind import Array, Decimal, Double, Enum, Integer, Kind, Map, Record, String
from tandem.pipeline import Avro, DeadLetterError, FieldType, Stream
from tandem.producer.avro_encoder import AvroEncoder, AvroRecordEncoder
from tandem.verify.reference import Accepted, Dead, Validator
from tests.avro import MICROS, MILLIS, NOON_MS, field, schema
from tests.spark.answers import Item, batches_of, engine_answers, reference_answers, same
from tests.spark.records import ARRIVED

# A declaration costs two Spark jobs, so each is tried with many records.
RECORDS = 150
DECLARATIONS = batches_of(RECORDS, 6)

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
    FieldType.DATE,
    FieldType.TIMESTAMP,
    FieldType.BYTES,
    FieldType.enum("new", "paid"),
)
DEFAULTS = {str(FieldType.INTEGER): 7, str(FieldType.TEXT): "none", "decimal(5,2)": "1.5", "array": [], "map": {}}
OWN: dict[str, Kind] = {"id": FieldType.STRING, "at": FieldType.TIMESTAMP}
LONGS = (0, 1, -1, 719_162, -719_162, -719_163, 2_932_896, 2_932_897, 2**31 - 1, -(2**31), NOON_MS, NOON_MS * 1000)
TIMES = (253_402_300_799_999, 253_402_300_800_000, -62_135_596_800_000, -62_135_596_800_001, 2**63 - 1, -(2**63))
NUMBERS = (0.0, -0.0, 1.5, 0.1, 1e300, -1e-300, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "new", "paid", "žluť 🐎", "a|b\\c", "a\0b", "1.5")


def one_of(kind: Kind) -> st.SearchStrategy[Kind]:
    absent = [kind, kind, kind.optional()]
    if str(kind) in DEFAULTS:
        absent.append(kind.default(DEFAULTS[str(kind)]))
    return st.sampled_from(absent)


def fields_of(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[dict[str, Kind]]:
    return st.dictionaries(st.sampled_from(("a", "b", "_c", "D1")), inner.flatmap(one_of), min_size=1, max_size=4)


kinds = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        st.builds(FieldType.array, inner)
        | st.builds(FieldType.map, inner)
        | st.builds(FieldType.record, fields_of(inner))
    ),
    max_leaves=5,
)


class Schemas:
    """Makes up schemas in which a declaration's fields can be, and older ones of which some cannot be read."""

    def __init__(self, chance: Random) -> None:
        self._chance, self._numbers = chance, count(1)

    def newest(self, fields: Mapping[str, Kind]) -> list[dict[str, Any]]:
        found = [{**field(name, avro := self.of(kind)), **self._default(avro)} for name, kind in fields.items()]
        return [*found, field("undeclared", ["null", "string", "int"])]

    def older(self, newest: list[dict[str, Any]]) -> list[dict[str, Any]]:
        fields = []
        for each in newest:
            changed = {name: value for name, value in each.items() if name != "default"}
            match self._chance.randrange(8):
                case 0 if each["name"] not in OWN:
                    continue
                case 1:
                    each["aliases"] = [f"{each['name']}_old"]
                    changed["name"] = f"{each['name']}_old"
                case 2 if each["name"] not in OWN:
                    changed["type"] = self.of(self._chance.choice(SCALARS))
            fields.append({**changed, "type": self._renamed(changed["type"])})
        return fields

    def of(self, kind: Kind) -> Any:
        avro = self._plain(kind)
        chosen = self._chance.random()
        return avro if chosen < 0.6 else ["null", avro] if chosen < 0.8 else [avro, "null"] if chosen < 0.95 else [avro]

    def _plain(self, kind: Kind) -> Any:
        either = self._chance.choice
        match kind:
            case String():
                return either(["string", {"type": "string", "logicalType": "uuid"}])
            case Enum():
                symbols = [*kind.symbols, "OTHER"]
                return either(["string", {"type": "enum", "name": self._name(), "symbols": symbols}])
            case Integer():
                return either(["int", "long"] if kind.bits == 64 else ["int"])
            case Double():
                return either(["float", "double"])
            case Decimal():
                logical = {"logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
                return {**either([{"type": "bytes"}, {"type": "fixed", "name": self._name(), "size": 15}]), **logical}
            case Record():
                fields = [field(name, self.of(each)) for name, each in kind.fields.items()]
                return {"type": "record", "name": self._name(), "fields": fields}
            case Array():
                return {"type": "array", "items": self.of(kind.items)}
            case Map():
                return {"type": "map", "values": self.of(kind.values)}
        plain = {
            FieldType.BOOLEAN: ["boolean"],
            FieldType.DATE: [{"type": "int", "logicalType": "date"}],
            FieldType.TIMESTAMP: [MILLIS, MICROS],
            FieldType.BYTES: ["bytes", {"type": "fixed", "name": self._name(), "size": 2}],
        }
        return either(next(types for name, types in plain.items() if str(name) == str(kind)))

    def _default(self, avro: Any) -> dict[str, Any]:
        first = avro[0] if isinstance(avro, list) else avro
        usual = {"null": None, "string": "usual", "long": 5, "int": 5, "boolean": True, "double": 0.1, "bytes": "\x05"}
        base = first["type"] if isinstance(first, dict) else first
        others = {"array": [], "map": {}}
        defaults = usual | others
        return {"default": defaults[base]} if base in defaults and self._chance.random() < 0.5 else {}

    def _name(self) -> str:
        return f"N{next(self._numbers)}"

    def _renamed(self, avro: Any) -> Any:
        """Returns the type with the same names: the two schemas are separate."""
        return json.loads(json.dumps(avro))


def value_of(avro: Any, chance: Random) -> Any:
    """Returns a value of an Avro type: often usual, sometimes at a limit of the declared types."""
    if isinstance(avro, list):
        return value_of(chance.choice(avro) if chance.random() < 0.3 else avro[-1], chance)
    base = avro["type"] if isinstance(avro, dict) else avro
    match base:
        case "null":
            return None
        case "string":
            return chance.choice(TEXTS)
        case "enum":
            return chance.choice(avro["symbols"])
        case "boolean":
            return chance.random() < 0.5
        case "int":
            return chance.choice(LONGS[:10]) if chance.random() < 0.5 else chance.randrange(10_000)
        case "long":
            return chance.choice((*LONGS, *TIMES)) if chance.random() < 0.5 else NOON_MS
        case "float" | "double":
            number = chance.choice(NUMBERS)
            return 0.25 if base == "float" and abs(number) == 1e300 else number
        case "bytes" | "fixed":
            return bytes_of(avro, chance)
        case "array":
            return [value_of(avro["items"], chance) for _ in range(chance.randrange(3))]
        case "map":
            return {chance.choice(TEXTS): value_of(avro["values"], chance) for _ in range(chance.randrange(3))}
        case _:
            return {each["name"]: value_of(each["type"], chance) for each in avro["fields"]}


def bytes_of(avro: Any, chance: Random) -> bytes:
    is_fixed = isinstance(avro, dict) and avro["type"] == "fixed"
    if not isinstance(avro, dict) or avro.get("logicalType") != "decimal":
        return chance.randbytes(avro["size"] if is_fixed else chance.randrange(4))
    limit = 10 ** avro["precision"]
    number = chance.choice((chance.randrange(-limit, limit), chance.randrange(-300, 300), limit, -limit, limit - 1))
    least = number.bit_length() // 8 + 1
    length = avro["size"] if is_fixed else least + chance.choice((0, 0, 0, 1, 2))
    return number.to_bytes(max(length, least), "big", signed=True)[-length:]


def good(fields: list[dict[str, Any]], chance: Random) -> dict[str, Any]:
    record = {each["name"]: value_of(each["type"], chance) for each in fields}
    for each in fields:
        only = next(t for t in (each["type"] if isinstance(each["type"], list) else [each["type"]]) if t != "null")
        if each["name"].removesuffix("_old") == "id":
            record[each["name"]] = chance.choice(("o|1", "o|2", "o|3", ""))
        elif each["name"].removesuffix("_old") == "at":
            record[each["name"]] = NOON_MS if only["logicalType"] == "timestamp-millis" else NOON_MS * 1000
    return record


COUNTED = {"records": 0, "accepted": 0}


# The same examples every time; a failing one is shown as it is, not made smaller.
@settings(
    max_examples=DECLARATIONS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(fields=fields_of(kinds), chance=st.randoms(use_true_random=True))
def test_any_record_by_any_declaration_is_read_alike(
    spark: SparkSession, fields: dict[str, Kind], chance: Random
) -> None:
    declared, schemas = {**OWN, **fields}, Schemas(chance)
    newest = schemas.newest(declared)
    older = schemas.older(newest)
    avro = Avro.parse("s", {1: schema(*older, field("old", "null")), 2: schema(*newest)})
    stream = Stream("s", "s", declared, "at", "id", format=avro)
    written = [(AvroEncoder(version), each) for version, each in zip(avro.versions, (older, newest), strict=True)]
    items: list[Item] = []
    for _ in range(RECORDS):
        encode, own = chance.choice(written)
        value = encode(good(own, chance))
        if chance.random() < 0.1:
            at = chance.randrange(10, len(value))
            value = value[:at] + chance.randbytes(1) + value[at + 1 :]
        items.append(value)
    found, expected = engine_answers(spark, stream, items), reference_answers(stream, items)
    COUNTED["records"] += len(items)
    COUNTED["accepted"] += sum(isinstance(answer, Accepted) for answer in expected)
    differing = [each for each in zip(items, found, expected, strict=True) if not same(each[1], each[2])]
    assert differing == [], [version.text for version in avro.versions]


def test_the_examples_are_of_both_sorts() -> None:
    """The negative control of the property: without events, or without dead letters, it would show little."""
    if not COUNTED["records"]:
        pytest.skip("the property was not tried")
    assert 0.1 < COUNTED["accepted"] / COUNTED["records"] < 0.9, COUNTED


LINE: dict[str, Kind] = {
    "sku": FieldType.STRING,
    "price": FieldType.decimal(12, 2),
    "size": FieldType.enum("S", "L").optional(),
}
ORDER: dict[str, Kind] = {
    **OWN,
    "paid": FieldType.BOOLEAN,
    "items": FieldType.array(FieldType.record(LINE)),
    "tags": FieldType.map(FieldType.TEXT),
    "day": FieldType.DATE,
    "note": FieldType.TEXT.optional(),
    "rate": FieldType.DOUBLE,
    "coupon": FieldType.record({"code": FieldType.STRING}).optional(),
}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
SIZE = {"type": "enum", "name": "Size", "symbols": ["S", "L", "XL"]}
ITEM_1 = {"type": "record", "name": "Item", "fields": [field("article", "string"), field("price", PRICE)]}
ITEM_2 = {
    "type": "record",
    "name": "Item",
    "fields": [
        field("sku", "string", aliases=["article"]),
        field("price", PRICE),
        field("size", ["null", SIZE], default=None),
    ],
}
REST = [
    field("id", "string"),
    field("at", MILLIS),
    field("paid", "boolean"),
    field("tags", {"type": "map", "values": ["null", "string"]}),
    field("day", {"type": "int", "logicalType": "date"}),
]
ORDERS = Stream(
    "orders",
    "orders_v1",
    ORDER,
    "at",
    "id",
    format=Avro.parse(
        "orders",
        {
            1: schema(*REST, field("items", {"type": "array", "items": ITEM_1})),
            2: schema(
                *REST,
                field("items", {"type": "array", "items": ITEM_2}),
                field("note", ["null", "string"]),
                field("rate", "float", default=0.5),
                field("coupon", ["null", {"type": "record", "name": "Coupon", "fields": [field("code", "string")]}]),
            ),
        },
    ),
)
assert isinstance(ORDERS.format, Avro)
WRITE = {version.number: AvroEncoder(version) for version in ORDERS.format.versions}
PLAIN: dict[str, Any] = {"id": "o", "at": NOON_MS, "paid": True, "tags": {"a": ""}, "day": date(2026, 11, 22)}
FIRST = {**PLAIN, "items": [{"article": "x", "price": Exact("12.30")}]}
SECOND = {
    **PLAIN,
    "items": [{"sku": "x", "price": Exact("-0.05"), "size": "L"}, {"sku": "y", "price": Exact("0"), "size": None}],
    "note": "",
    "rate": 0.1,
    "coupon": {"code": "c"},
}


def test_nested_records_of_two_schemas(spark: SparkSession) -> None:
    common = {"id": "o", "at": NOON_MS * 1000, "paid": True, "tags": {"a": ""}, "day": date(2026, 11, 22)}
    expected = [
        {
            **common,
            "items": [{"sku": "x", "price": Exact("12.30"), "size": None}],
            "note": None,
            "rate": 0.5,
            "coupon": None,
        },
        {
            **common,
            "items": [
                {"sku": "x", "price": Exact("-0.05"), "size": "L"},
                {"sku": "y", "price": Exact("0.00"), "size": None},
            ],
            "note": "",
            "rate": 0.10000000149011612,
            "coupon": {"code": "c"},
        },
    ]
    items: list[Item] = [WRITE[1](FIRST), WRITE[2](SECOND)]
    found = engine_answers(spark, ORDERS, items)
    assert [dict(each.fields) for each in found if isinstance(each, Accepted)] == expected
    assert [same(*pair) for pair in zip(found, reference_answers(ORDERS, items), strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("changes", "error", "detail"),
    [
        ({"items": [*SECOND["items"], {"sku": "z", "price": Exact("1"), "size": "XL"}]}, "wrong_type", "items[2].size"),
        ({"items": [{**SECOND["items"][0], "price": b""}]}, "wrong_type", "items[0].price"),
        ({"items": [{**SECOND["items"][0], "sku": ""}]}, "empty_field", "items[0].sku"),
        ({"tags": {"a": None}}, "null_field", "tags[*]"),
        ({"tags": {"a\0b": ""}}, "wrong_type", "tags"),
        ({"day": 2_932_897}, "bad_time", "day"),
        ({"rate": float("nan")}, "wrong_type", "rate"),
        ({"coupon": {"code": ""}}, "empty_field", "coupon.code"),
    ],
)
def test_a_dead_letter_names_the_path(spark: SparkSession, changes: dict[str, Any], error: str, detail: str) -> None:
    items: list[Item] = [WRITE[2]({**SECOND, **changes})]
    found, expected = engine_answers(spark, ORDERS, items)[0], reference_answers(ORDERS, items)[0]
    assert isinstance(found, Dead)
    assert (found.error, found.detail.partition(":")[0]) == (cast(DeadLetterError, error), detail)
    assert same(found, expected)


def test_samples_of_all_types_are_events() -> None:
    assert isinstance(ORDERS.format, Avro)
    encoder = AvroRecordEncoder(ORDERS, ORDERS.format)
    validate = Validator(ORDERS, max_clock_skew_seconds=300)
    arrived = int(ARRIVED.timestamp() * 1000)
    for value in (encoder.plain(SECOND), encoder.plain({**SECOND, "note": None, "coupon": None})):
        assert isinstance(validate(None, value, arrived), Accepted)
    dead = [encoder.malformed(SECOND, choice / 20)[1] for choice in range(20)]
    assert all(isinstance(validate(None, value, arrived), Dead) for value in dead)
