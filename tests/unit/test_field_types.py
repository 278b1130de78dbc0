"""What may be declared of a field; a type that a module does not know is an error there, and not a string."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest
from pyspark import cloudpickle

from tandem.engine.declare import field_type
from tandem.engine.declare import kind as kinds
from tandem.engine.declare.kind import Kind
from tandem.engine.read.json_format import FlatJsonFormat
from tandem.pipeline import DocumentType, FieldType, Lookup, RecordPart, Stream
from tandem.pipelines.orders_payments.streams import ORDERS
from tandem.producer import document_id as producer_id
from tandem.producer.record_encoder import encoder_of
from tandem.scaffold.avro import schema_of
from tandem.verify.reference import Validator
from tandem.verify.stored import stored
from tests.avro import SALES


@dataclass(frozen=True)
class Money(kinds.Declared):
    """A type that nothing knows. The type check finds it earlier."""


STREAM = replace(ORDERS, fields={**ORDERS.fields, "amount": cast(Kind, Money())})


@pytest.mark.parametrize(
    "look",
    [
        lambda: Validator(STREAM, max_clock_skew_seconds=1),
        lambda: encoder_of(STREAM),
        lambda: schema_of(STREAM, "n"),
    ],
    ids=["verify", "producer", "scaffold"],
)
def test_an_unknown_type_is_refused(look: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="Money"):
        look()


@pytest.mark.parametrize(("precision", "scale"), [(35, 2), (0, 0), (5, 6), (5, -1)])
def test_a_decimal_fits_into_mongodbs(precision: int, scale: int) -> None:
    with pytest.raises(ValueError, match=rf"decimal\({precision},{scale}\): the precision must be 1 to 34"):
        FieldType.decimal(precision, scale)


@pytest.mark.parametrize("symbols", [(), ("",), ("a", "a")])
def test_an_enum_has_different_symbols(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="an enum needs at least one symbol"):
        FieldType.enum(*symbols)


@pytest.mark.parametrize("symbols", [["a", "b"], 5, None])
def test_the_symbols_of_an_enum_are_strings(symbols: Any) -> None:
    with pytest.raises(ValueError, match=r"the symbols of an enum must be strings, as in FieldType.enum\('a', 'b'\)"):
        FieldType.enum(symbols)


@pytest.mark.parametrize("wrong", ["string", {"a": FieldType.STRING}, str, DocumentType.STRING, None, FieldType])
def test_what_is_no_type_is_refused_by_its_field(wrong: Any) -> None:
    refused = rf"{re.escape(repr(wrong))} is not a type of FieldType"
    with pytest.raises(ValueError, match=rf"^stream s: field 'x': {refused}"):
        stream({"x": wrong})
    with pytest.raises(ValueError, match=rf"^field 'x': {refused}"):
        FieldType.record({"x": wrong})
    with pytest.raises(ValueError, match=rf"^the lookup segments: field 'x': {refused}"):
        Lookup("segments", {"x": wrong})
    for declare, what in ((FieldType.array, "an item of an array"), (FieldType.map, "a value of a map")):
        with pytest.raises(ValueError, match=rf"^{what}: {refused}"):
            declare(wrong)


@pytest.mark.parametrize(
    "kind",
    [
        FieldType.INTEGER.default(0),
        FieldType.array(FieldType.record({"tags": FieldType.map(FieldType.STRING).default({})})),
        FieldType.map(FieldType.record({"n": FieldType.INTEGER.default(1)})).optional(),
    ],
    ids=lambda each: str(each),
)
def test_a_lookup_has_no_defaults(kind: Kind) -> None:
    assert Lookup("segments", {"x": FieldType.INTEGER.optional()})
    with pytest.raises(ValueError, match=r"^the lookup segments: field 'x' of a lookup cannot have a default"):
        Lookup("segments", {"x": kind})


@pytest.mark.parametrize("declare", [FieldType.array, FieldType.map])
def test_items_and_values_are_there(declare: Callable[[Kind], Kind]) -> None:
    assert declare(FieldType.STRING).optional().is_optional
    for absent in (FieldType.STRING.optional(), FieldType.STRING.default("x")):
        with pytest.raises(ValueError, match="cannot be optional"):
            declare(absent)


DEFAULTS: list[tuple[Kind, Any, Any]] = [
    (FieldType.STRING, "x", "x"),
    (FieldType.TEXT, "", ""),
    (FieldType.BOOLEAN, False, False),
    (FieldType.INTEGER, -(2**63), -(2**63)),
    (FieldType.INTEGER_32, 2**31 - 1, 2**31 - 1),
    (FieldType.DOUBLE, 1, 1.0),
    (FieldType.decimal(5, 2), "1.5", Decimal("1.50")),
    (FieldType.decimal(5, 2), "-0", Decimal("0.00")),
    (FieldType.decimal(34, 4), Decimal(10**29), Decimal("1" + "0" * 29 + ".0000")),
    (FieldType.DATE, date(2026, 1, 1), date(2026, 1, 1)),
    (FieldType.TIMESTAMP, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000_000),
    (FieldType.BYTES, b"", b""),
    (FieldType.enum("a", "b"), "b", "b"),
    (FieldType.array(FieldType.STRING), [], []),
    (FieldType.map(FieldType.STRING), {}, {}),
]


@pytest.mark.parametrize(("kind", "value", "found"), DEFAULTS, ids=lambda each: str(each))
def test_a_default_is_a_value_of_its_type(kind: Kind, value: Any, found: Any) -> None:
    declared = kind.default(value)
    assert (declared.is_optional, repr(declared.fallback)) == (True, repr(found))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (FieldType.STRING, ""),
        (FieldType.STRING, 5),
        (FieldType.BOOLEAN, 1),
        (FieldType.INTEGER, True),
        (FieldType.INTEGER, 2**63),
        (FieldType.INTEGER_32, 2**31),
        (FieldType.DOUBLE, float("nan")),
        (FieldType.DOUBLE, 10**400),
        (FieldType.decimal(5, 2), "1.555"),
        (FieldType.decimal(5, 2), True),
        (FieldType.decimal(5, 2), (0, (1, 5), -1)),
        (FieldType.decimal(5, 2), 1.5),
        (FieldType.decimal(5, 2), "1000"),
        (FieldType.decimal(5, 2), "nan"),
        (FieldType.DATE, datetime(2026, 1, 1, tzinfo=UTC)),
        (FieldType.TIMESTAMP, datetime(2026, 1, 1)),
        (FieldType.TIMESTAMP, 5),
        (FieldType.BYTES, ""),
        (FieldType.enum("a"), "b"),
        (FieldType.array(FieldType.STRING), ["x"]),
        (FieldType.record({"a": FieldType.STRING}), {}),
    ],
    ids=lambda each: str(each),
)
def test_another_default_is_refused(kind: Kind, value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be a default of type"):
        kind.default(value)


def stream(fields: dict[str, Kind] | None = None, **changes: Any) -> Stream:
    own: dict[str, Kind] = {"id": FieldType.STRING, "at": FieldType.TIMESTAMP}
    settings: dict[str, Any] = {"event_time": "at", "identity": "id", **changes}
    return Stream("s", "s", {**own, **(fields or {})}, **settings)


@pytest.mark.parametrize("name", ["a.b", "it's", 'the "best"', "two words", "$set", "`", "ключ", "_x", "-", "headers"])
def test_names_may_be_odd(name: str) -> None:
    assert name in stream({name: FieldType.record({name: FieldType.STRING})}).fields


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "'\"", "_aside", "_aside_left", "_ASIDE", "ID", "\u0131d"])
def test_a_name_that_cannot_be_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"^stream s: field") as error:
        stream({name: FieldType.STRING})
    assert repr(name) in str(error.value)
    if name.upper() != "ID":
        with pytest.raises(ValueError, match="field"):
            FieldType.record({name: FieldType.STRING})


def test_a_record_has_fields_and_an_end() -> None:
    with pytest.raises(ValueError, match="at least one declared field"):
        FieldType.record({})
    deep: Kind = FieldType.STRING
    for _ in range(50):
        deep = FieldType.array(deep)
    assert stream({"deep": deep})
    with pytest.raises(ValueError, match="nested deeper than 50"):
        stream({"deep": FieldType.array(deep)})


def test_the_column_of_what_spark_cannot_parse_is_read_in_another_way() -> None:
    assert FlatJsonFormat.can_read(stream({"_corrupt": FieldType.STRING}))
    for kind in (FieldType.STRING, FieldType.INTEGER):
        assert not FlatJsonFormat.can_read(stream({"_corrupt_record": kind}))


NESTED = {
    "after": FieldType.record(
        {"id": FieldType.INTEGER, "at": FieldType.EPOCH_MICROSECONDS, "by.whom": FieldType.STRING}
    ),
    "before": FieldType.record({"id": FieldType.INTEGER}).optional(),
    "price": FieldType.DOUBLE,
    "items": FieldType.array(FieldType.record({"sku": FieldType.STRING})),
    "coupon": FieldType.STRING.optional(),
    "shop": FieldType.STRING.default("main"),
}


@pytest.mark.parametrize(
    ("identity", "paths", "column"),
    [
        ("id", (("id",),), "id"),
        (("id",), (("id",),), "id"),
        ("shop", (("shop",),), "shop"),
        ("after.id", (("after", "id"),), "identity"),
        ("after.by.whom", (("after", "by.whom"),), "identity"),
        (("shop", "after.id"), (("shop",), ("after", "id")), "identity"),
        (RecordPart.KEY, None, "identity"),
        ((RecordPart.KEY, "after.id"), ((), ("after", "id")), "identity"),
        ((RecordPart.KEY,), ((),), "identity"),
    ],
)
def test_an_identity_may_be_nested_several_or_the_key(identity: Any, paths: Any, column: str) -> None:
    found = stream(dict(NESTED), identity=identity)
    assert (found.identity_paths, found.identity_column) == (paths, column)
    assert found.needs_key is (paths is None or () in paths)


@pytest.mark.parametrize("name", ["no", "coupon", "before.id", "price", "at", "after", "items.sku", "id.x", ""])
def test_another_identity_is_refused(name: str) -> None:
    for identity in (name, ("id", name)):
        with pytest.raises(ValueError, match="is not a declared, required field") as error:
            stream(dict(NESTED), identity=identity)
        assert repr(name) in str(error.value)


@pytest.mark.parametrize("identity", [RecordPart.TIMESTAMP, 5, (RecordPart.TIMESTAMP, "id"), [5]])
def test_an_identity_is_of_fields_or_the_key(identity: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^stream s: identity .* is not a declared, required field .*or use RecordPart\.KEY"
    ):
        stream(identity=identity)


@pytest.mark.parametrize("event_time", [RecordPart.KEY, 5, ("at",), None])
def test_an_event_time_is_a_field_or_the_records(event_time: Any) -> None:
    with pytest.raises(ValueError, match=r"^stream s: event_time .* is not a .*or use RecordPart\.TIMESTAMP"):
        stream(event_time=event_time)


def test_an_identity_names_something() -> None:
    with pytest.raises(ValueError, match="names no field"):
        stream(identity=())


def test_an_event_time_may_be_nested_or_the_records() -> None:
    for event_time, path, column in (
        ("at", ("at",), "at"),
        ("after.at", ("after", "at"), "event_time"),
        (RecordPart.TIMESTAMP, None, "event_time"),
    ):
        found = stream(dict(NESTED), event_time=event_time)
        assert (found.event_time_path, found.time_column) == (path, column)
    for wrong in ("id", "no", "after.id"):
        with pytest.raises(ValueError, match="is not a declared, required timestamp field"):
            stream(dict(NESTED), event_time=wrong)


def test_no_field_is_named_like_a_column_that_is_added() -> None:
    assert stream({"identity": FieldType.STRING})
    with pytest.raises(ValueError, match="a field has the name of the added column identity"):
        stream({"Identity": FieldType.STRING}, identity=RecordPart.KEY)
    with pytest.raises(ValueError, match="a field has the name of the added column identity"):
        stream({"\u0131dentity": FieldType.STRING}, identity=RecordPart.KEY)
    with pytest.raises(ValueError, match="a field has the name of the added column identity"):
        stream({"identity": FieldType.STRING}, identity=("id", "identity"))
    with pytest.raises(ValueError, match="a field has the name of the added column event_time"):
        stream({"event_time": FieldType.STRING}, event_time=RecordPart.TIMESTAMP)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FieldType.BOOLEAN, "boolean, which needs a boolean"),
        (FieldType.INTEGER_32, "32-bit integer, which needs an int"),
        (
            FieldType.EPOCH_SECONDS,
            "timestamp in seconds, which needs FieldType.TIMESTAMP, because the schema has the unit",
        ),
        (FieldType.decimal_bytes(5, 2), r"decimal\(5,2\) in bytes, which needs FieldType.decimal"),
        (FieldType.array(FieldType.STRING), "array, which needs an array"),
    ],
)
def test_a_type_that_the_avro_schema_contradicts_is_refused(kind: Kind, words: str) -> None:
    with pytest.raises(ValueError, match=f"field 'amount' is declared as {words}"):
        replace(SALES, fields={**SALES.fields, "amount": kind})


def test_what_a_stream_has_worked_out_is_kept_and_never_compared() -> None:
    first, second = (stream(dict(NESTED), identity=("id", "after.id"), event_time="after.at") for _ in range(2))
    assert first.identity_paths is first.identity_paths
    assert first.event_time_path is first.event_time_path
    assert (first.identity_column, first.time_column) == ("identity", "event_time")
    assert first == second
    copied = cloudpickle.loads(cloudpickle.dumps(first))
    assert (copied, copied.identity_paths, copied.time_column) == (first, first.identity_paths, first.time_column)
    changed = replace(first, event_time="at", identity="id")
    assert (changed.identity_paths, changed.time_column) == ((("id",),), "at")
    assert "_paths" not in repr(first)


def test_what_is_stored_has_mongodbs_types() -> None:
    fields: dict[str, Kind] = {
        "price": FieldType.decimal(5, 2),
        "day": FieldType.DATE,
        "inner": FieldType.record({"x": FieldType.STRING.optional(), "at": FieldType.TIMESTAMP}),
        "days": FieldType.array(FieldType.DATE),
        "prices": FieldType.map(FieldType.decimal(5, 2)),
        "coupon": FieldType.STRING.optional(),
    }
    event: dict[str, Any] = {
        "id": "a",
        "at": -1,
        "price": Decimal("1.50"),
        "day": date(1969, 12, 31),
        "coupon": None,
        "inner": {"x": None, "at": 1_999},
        "days": [date(1970, 1, 2)],
        "prices": {"a.b": Decimal("0.00")},
    }
    assert repr(stored(stream(fields), {**event, "identity": "not a field"})) == (
        "{'id': 'a', 'at': DatetimeMS(-1), 'price': Decimal128('1.50'), 'day': DatetimeMS(-86400000), "
        "'inner': {'at': DatetimeMS(1)}, 'days': [DatetimeMS(86400000)], 'prices': {'a.b': Decimal128('0.00')}}"
    )


@pytest.mark.parametrize("module", [field_type, producer_id], ids=lambda module: module.__name__)
def test_the_examples_of_docstrings_are_true(module: Any) -> None:
    found = doctest.testmod(module)
    assert (found.attempted > 0, found.failed) == (True, 0)
