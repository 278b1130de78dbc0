"""`tandem new --from`: for any records, the declaration accepts them, and what is written is clean and works."""

from __future__ import annotations

import ast
import builtins
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.catalog import PipelineLocation
from tandem.engine.declare.field_name import value_at
from tandem.engine.declare.stream import Stream
from tandem.errors import UsageError
from tandem.producer.record_plan import Plan
from tandem.producer.sample import Moment, MomentKind, sample
from tandem.scaffold import Format
from tandem.scaffold.chosen import Choice, choose
from tandem.scaffold.from_records import Request, Written, check_topics, write_from
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.joining import JoinChoice
from tandem.scaffold.names import record_name, stream_name
from tandem.scaffold.sources.samples import Samples, described_by_samples
from tandem.settings.model import KafkaSettings
from tandem.verify.reference import Accepted, Dead, Validator
from tandem.verify.strict_json import Number
from tests import ROOT

NOW_MS = 1_800_000_000_000
SAMPLES = Samples([Sample("line 1", {"id": "a"})], "1 record")
GUESS = JoinChoice(Choice(), Choice(), None)
# One after the other, for modules are imported once.
_FOLDERS = count()


def no_kafka() -> KafkaSettings:
    raise AssertionError("no source is a topic")


def new(folder: Path, source: str, join: str | None = None, choice: JoinChoice = GUESS) -> PipelineLocation:
    """Returns a new pipeline from files of a folder."""
    own = folder / f"own_{next(_FOLDERS)}_pipelines"
    request = Request(str(folder / source), join and str(folder / join), choice)
    return write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS).location


def new_if_possible(folder: Path, source: str, join: str | None = None) -> PipelineLocation | None:
    """Returns a new pipeline; None where nothing can be declared, or a field has values of different types."""
    try:
        return new(folder, source, join)
    except UsageError as error:
        if re.search(r"no field|is an? \w+ in line \d+ and an? \w+ in line|named like a column", str(error)):
            return None
        raise


def dump(value: Any) -> str:
    """Returns a value as JSON; numbers as they are written."""
    match value:
        case Number():
            return str(value)
        case dict():
            return f"{{{', '.join(f'{dump(name)}: {dump(each)}' for name, each in value.items())}}}"
        case list():
            return f"[{', '.join(map(dump, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def save(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{dump(record)}\n" for record in records), "utf-8")


def check_clean(location: PipelineLocation) -> None:
    """Fails where the formatter or the linter would change something."""
    config = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    source = ("--config", f"src=['{location.folder.parent.parent}', '{ROOT}/src']")
    for command in (("format", "--diff", *config), ("check", *config, *source)):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(location.folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def check_samples(location: PipelineLocation) -> None:
    """Fails where a sample record is not what it says, or two streams do not agree."""
    streams, events = location.module("streams").STREAMS, location.module("generator").events
    plan = Plan(seed=7, count=30, start=Plan.settled_start())
    for stream in streams:
        validate = Validator(stream, max_clock_skew_seconds=0)
        for record in sample(plan, stream, events):
            found = validate(record.key, record.value, NOW_MS)
            assert isinstance(found, Dead if record.kind.startswith("malformed") else Accepted), record


def accepts(stream: Stream, record: dict[str, Any]) -> bool:
    found = Validator(stream, max_clock_skew_seconds=0)(b"key", dump(record).encode(), 253_402_300_799_999)
    return isinstance(found, Accepted)


NAMES = st.one_of(
    st.sampled_from(
        [
            "id",
            "_id",
            "order_id",
            "at",
            "created_at",
            "ts",
            "identity",
            "event_time",
            "kind",
            "class",
            "None",
            "amount",
            "price",
            "self",
            "$set",
            "a.b",
            "user's",
            'the"best"',
            "größe",
            "名前",
            "`tick`",
            "{x}",
            "%s",
            "x-y",
            "def",
            "Any",
            "Decimal",
            "chance",
            "moment_id",
            "time_ms",
            "_aside",
            "_AsideX",
            "F",
            "rows",
        ]
    ),
    # What may be the keys of a map.
    st.one_of(st.integers(0, 99), st.dates(), st.uuids()).map(str),
    st.sampled_from(["two words", "", " ", "a\nb", "'\"", "x" * 90, "\\", "\u2013", "🙂"]),
    st.text(st.characters(max_codepoint=126), max_size=12),
)
INTEGERS = st.one_of(
    st.integers(-1000, 1000), st.integers(), st.integers(1_500_000_000_000, 1_700_000_000_000), st.just(10**33 + 1)
)
NUMBERS = st.one_of(
    st.decimals(-10_000, 10_000, places=2).map(lambda each: Number(f"{each:f}")),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda each: Number(repr(each))),
    st.integers(-(10**40), 10**40),
    st.sampled_from(["0.10", "-0.0", "1e5", "0.1234567890123456789012345678901234567890", "1E-7"]).map(Number),
).filter(lambda each: not isinstance(each, Number) or set(each) & set(".eE"))
STRINGS = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=8),
    st.dates().map(str),
    st.datetimes().map(lambda each: each.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from(["new", "paid"]),
)
SCALARS = [st.booleans(), INTEGERS, NUMBERS, STRINGS]


def shapes() -> st.SearchStrategy[st.SearchStrategy[Any]]:
    """Returns strategies for values of one type each."""
    return st.recursive(
        st.sampled_from(SCALARS),
        lambda inner: st.one_of(
            inner.map(lambda each: st.lists(each, max_size=3)), st.dictionaries(NAMES, inner, max_size=4).map(objects)
        ),
        max_leaves=12,
    )


def objects(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns a strategy for objects of which each may lack fields, or have null in them."""
    values = {name: st.one_of(each, each, st.none()) for name, each in fields.items()}
    return st.fixed_dictionaries({}, optional=values)


RECORDS = st.dictionaries(NAMES, shapes(), min_size=1, max_size=8).flatmap(
    lambda fields: st.lists(st.one_of(objects(fields), st.fixed_dictionaries(fields)), min_size=1, max_size=6)
)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(records=RECORDS)
def test_the_declaration_accepts_every_record(records: list[dict[str, Any]], tmp_path: Path) -> None:
    save(tmp_path / "orders.jsonl", records)
    location = new_if_possible(tmp_path, "orders.jsonl")
    if location is None:
        return
    (stream,) = location.module("streams").STREAMS
    assert [record for record in records if not accepts(stream, record)] == []
    location.module("oracle")
    check_samples(location)
    check_clean(location)


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(left=RECORDS, right=RECORDS, key=st.sampled_from([str, int]))
def test_the_declarations_of_two_streams_accept_every_record(
    left: list[dict[str, Any]], right: list[dict[str, Any]], key: type, tmp_path: Path
) -> None:
    orders = [{**each, "order_id": key(number)} for number, each in enumerate(left)]
    payments = [{**each, "order_id": key(0), "payment_id": f"p{number}"} for number, each in enumerate(right)]
    save(tmp_path / "orders.jsonl", orders)
    save(tmp_path / "payments.jsonl", payments)
    location = new_if_possible(tmp_path, "orders.jsonl", "payments.jsonl")
    if location is None:
        return
    streams = location.module("streams").STREAMS
    for stream, records in zip(sorted(streams, key=lambda each: each.name), (orders, payments), strict=True):
        assert [record for record in records if not accepts(stream, record)] == []
    location.module("oracle")
    check_samples(location)
    check_clean(location)


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(record=st.dictionaries(st.text(max_size=20), st.text(max_size=3), min_size=1))
def test_any_names_are_declared_as_they_are(record: dict[str, Any], tmp_path: Path) -> None:
    save(tmp_path / "orders.jsonl", [record])
    location = new_if_possible(tmp_path, "orders.jsonl")
    if location is not None:
        (stream,) = location.module("streams").STREAMS
        assert set(stream.fields) <= set(record)
        assert accepts(stream, record)
        check_samples(location)


def test_long_names_of_records_are_clean(tmp_path: Path) -> None:
    times = {"created_" * 11 + "at": "2026-01-01T00:00:00Z", "d" * 90: "2026-01-01"}
    records = {"x" * 90: {"name": "b"}, "y" * 90: {"paid": True, "z" * 90: {"n": 1}}}
    save(tmp_path / "orders.jsonl", [{"id": "a", "at": "2026-01-01T00:00:00Z", **times, **records}])
    check_clean(new(tmp_path, "orders.jsonl"))


def test_sample_records_of_deep_arrays_are_small(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    save(tmp_path / "orders.jsonl", [{"id": "a", "deep": deep}])
    location = new(tmp_path, "orders.jsonl")
    assert (location.folder / "generator.py").read_text().count("in range(1)") == 37
    check_samples(location)


@pytest.mark.parametrize(("left", "right"), [("int", "int"), ("int", "long"), ("long", "int"), ("int", "string")])
@pytest.mark.parametrize("values", [Format.JSON, Format.AVRO])
def test_identities_fit_into_the_integers_of_schemas(left: str, right: str, values: Format, tmp_path: Path) -> None:
    orders = [{"name": "order_id", "type": left}]
    payments = [{"name": "payment_id", "type": "int"}, {"name": "order_id", "type": right}]
    for name, fields in (("orders.avsc", orders), ("payments.avsc", payments)):
        (tmp_path / name).write_text(json.dumps({"type": "record", "name": "R", "fields": fields}))
    own = tmp_path / f"own_{next(_FOLDERS)}_pipelines"
    request = Request(str(tmp_path / "orders.avsc"), str(tmp_path / "payments.avsc"), GUESS, values)
    check_samples(write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS).location)


def new_from_avro(folder: Path, *files: tuple[str, list[dict[str, Any]]]) -> Written:
    for name, fields in files:
        (folder / f"{name}.avsc").write_text(json.dumps({"type": "record", "name": "R", "fields": fields}))
    first, second = (*(str(folder / f"{name}.avsc") for name, _ in files), None)[:2]
    own = folder / f"own_{next(_FOLDERS)}_pipelines"
    return write_from("shop", own, Request(str(first), second, GUESS), kafka=no_kafka, now_ms=NOW_MS)


def moments(number: int) -> Iterator[Moment]:
    """Yields as many moments as a plan has, with its consecutive numbers."""
    chance = Random(5)
    for index in range(number):
        kind = MomentKind.UNMATCHED if index % 20 == 0 else MomentKind.VALID
        yield Moment(f"5-{index}", 2**47 + index, NOW_MS, kind, chance)


def decimal_digits(precision: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": 0}


@pytest.mark.parametrize("kind", ["int", "long", "string", decimal_digits(5), decimal_digits(30)], ids=str)
def test_100_000_generated_records_have_different_identities(kind: Any, tmp_path: Path) -> None:
    location = new_from_avro(tmp_path, ("orders", [{"name": "order_id", "type": kind}])).location
    (stream,), events = location.module("streams").STREAMS, location.module("generator").events
    found = {value_at(event.fields, stream.identity) for each in moments(100_000) for event in events(each)}
    assert len(found) == 100_000


@pytest.mark.parametrize(("left", "right"), [("int", "int"), ("int", "long"), ("long", "int"), ("int", "string")])
def test_generated_records_of_a_join_have_different_identities(left: str, right: str, tmp_path: Path) -> None:
    orders = [{"name": "order_id", "type": left}]
    payments = [{"name": "payment_id", "type": "int"}, {"name": "order_id", "type": right}]
    location = new_from_avro(tmp_path, ("orders", orders), ("payments", payments)).location
    streams, events = location.module("streams").STREAMS, location.module("generator").events
    made = [event for each in moments(100_000) for event in events(each)]
    ids: dict[str, set[Any]] = {each.name: set() for each in streams}
    for event in made:
        ids[event.stream.name].add(event.fields[event.stream.identity])
    of_payments = [event.fields for event in made if event.stream.name == "payments"]
    assert len(ids["orders"]) == 100_000
    assert len(ids["payments"]) == len(of_payments)
    # The orders of these payments are never sent.
    known = set(map(str, ids["orders"]))
    unknown = [each for each in of_payments if str(each["order_id"]) not in known]
    assert len(of_payments) - 95_000 == len(unknown) > 0


def test_an_identity_with_too_few_values_is_noted(tmp_path: Path) -> None:
    repeated = "generated records repeat order_id, which has 10,000 values"
    few = new_from_avro(tmp_path, ("orders", [{"name": "order_id", "type": decimal_digits(4)}]))
    assert any(repeated in note for note in few.notes)
    enough = new_from_avro(tmp_path, ("orders", [{"name": "order_id", "type": "int"}]))
    assert not any("generated records repeat" in note for note in enough.notes)


def test_names_of_other_alphabets_are_clean(tmp_path: Path) -> None:
    names = ("größe", "名前", "ключ", "µ", "ο", "prix – €", "🙂", "naïve", "ñ's", "Ω")  # noqa: RUF001
    save(tmp_path / "orders.jsonl", [dict.fromkeys(names, "x")])
    location = new(tmp_path, "orders.jsonl")
    (stream,) = location.module("streams").STREAMS
    assert tuple(stream.fields) == names
    check_clean(location)


def test_a_topic_has_one_role(tmp_path: Path) -> None:
    save(tmp_path / "dead_letter.jsonl", [{"id": "a"}])
    location = new(tmp_path, "dead_letter.jsonl")
    (stream,) = location.module("streams").STREAMS
    assert stream.topic != location.module("streams").DEAD_LETTER_TOPIC
    found = choose(described_by_samples("s", "s", SAMPLES), Choice(), "shop", NOW_MS)
    for topics in (("t", "t"), ("shop_dead_letter_v1",)):
        streams = [replace(found, stream=replace(found.stream, topic=topic)) for topic in topics]
        with pytest.raises(UsageError, match=f"topic {topics[0]} would have more than one role"):
            check_topics("shop", streams)
    check_topics("shop", [found])


PLAIN = ({"zebra_id": "a", "level": "x", "n": 1}, {"zebra_id": "a", "yak_id": "b", "level": "y", "n": 2})


def words_of(location: PipelineLocation) -> set[str]:
    """Returns the names that the modules of a pipeline give something, in lower case."""
    found: set[str] = set()
    for module in location.folder.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            match node:
                case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name):
                    found.add(name)
                case ast.alias(name=name, asname=other):
                    found.add(other or name)
    # A stream's names are a variable in lower case and a constant in upper case.
    plain = {name.lower() for name in found if name.islower() or name.isupper()}
    return {name for name in plain if "yak" not in name and "zebra" not in name}


def test_no_stream_is_named_like_something_else_in_the_modules(tmp_path: Path) -> None:
    for name, record in zip(("zebras.jsonl", "yaks.jsonl"), PLAIN, strict=True):
        save(tmp_path / name, [record])
    words = words_of(new(tmp_path, "zebras.jsonl")) | words_of(new(tmp_path, "zebras.jsonl", "yaks.jsonl"))
    assert {"in_time", "too_late", "outcomes", "match_window_seconds", "interval_join"} <= words
    # A longer name is cut.
    names = {each for each in {*words, *filter(str.islower, dir(builtins))} if len(each) <= 20}
    taken = [each for each in names if not each.startswith("_")]
    assert [each for each in sorted(taken) if each in (stream_name(each), record_name(each))] == []


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("sets", "dicts"),
        ("in_time", "too_late"),
        ("orders", "unmatched_orders"),
        ("orders", "order_names"),
        ("outcomes", "match_window_seconds"),
        ("interval_join", "level_values"),
        ("events", "no_longer_unmatched"),
    ],
)
def test_any_name_of_a_stream_gives_a_clean_pipeline(left: str, right: str, tmp_path: Path) -> None:
    for name, record in zip((left, right), PLAIN, strict=True):
        save(tmp_path / f"{name}.jsonl", [record])
    location = new(tmp_path, f"{left}.jsonl", f"{right}.jsonl", JoinChoice(Choice(), Choice(), "zebra_id"))
    names = [stream.name for stream in location.module("streams").STREAMS]
    assert len(set(names)) == 2
    tests = location.module("test_shop")
    assert sum(map(len, tests.expected(60).documents.values())) == 1
    assert sum(map(len, tests.expected(601).documents.values())) == 2
    check_samples(location)
    check_clean(location)


def test_a_stream_may_be_named_like_the_names_of_fields(tmp_path: Path) -> None:
    save(tmp_path / "order_names.jsonl", [{"order_id": "a", "at": "2026-01-01T00:00:00Z"}])
    location = new(tmp_path, "order_names.jsonl")
    assert location.module("oracle").expect
    check_clean(location)


JSON_SCHEMA = {
    "type": "object",
    "required": ["order_id", "at"],
    "properties": {
        "order_id": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "on": {"type": "string", "format": "date"},
        "status": {"enum": ["new", "it's", 'the "best"']},
        "total": {"type": "number", "multipleOf": 0.01, "default": 1.5},
        "labels": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
        "photo": {"type": "string", "contentEncoding": "base64"},
        "inner": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
    },
}
AVRO_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "order_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "n", "type": "int"},
    ],
}
PROTOBUF_SCHEMA = """syntax = "proto3";
import "google/protobuf/timestamp.proto";
enum Status { UNKNOWN = 0; NEW = 1; }
message Line { string sku = 1; int64 cents = 2; }
message Order {
  string order_id = 1;
  google.protobuf.Timestamp at = 2;
  repeated Line lines = 3;
  Status status = 4;
  map<string, double> rates = 5;
  optional bool paid = 6;
}
"""


@pytest.mark.parametrize(
    ("name", "schema", "values"),
    [
        ("orders.json", JSON_SCHEMA, Format.JSON),
        ("orders.avsc", AVRO_SCHEMA, Format.JSON),
        ("orders.avsc", AVRO_SCHEMA, Format.AVRO),
        ("orders.proto", PROTOBUF_SCHEMA, Format.JSON),
    ],
)
def test_a_pipeline_from_a_schema_is_complete(name: str, schema: Any, values: Format, tmp_path: Path) -> None:
    (tmp_path / name).write_text(schema if isinstance(schema, str) else json.dumps(schema))
    own = tmp_path / f"own_{next(_FOLDERS)}_pipelines"
    request = Request(str(tmp_path / name), None, GUESS, values)
    location = write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS).location
    (stream,) = location.module("streams").STREAMS
    assert (stream.format is not None) is (values is Format.AVRO)
    location.module("oracle")
    check_samples(location)
    check_clean(location)


@pytest.mark.parametrize(
    ("left_out", "is_refused"),
    [
        ({"type": ["int", "string"]}, True),
        ({"type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2}}, True),
        ({"type": ["int", "string"], "default": 1}, False),
        ({"type": ["null", "int", "string"]}, False),
        ({"type": "null"}, False),
    ],
)
def test_sample_records_in_avro_have_every_field(left_out: dict[str, Any], is_refused: bool, tmp_path: Path) -> None:
    fields = [*AVRO_SCHEMA["fields"], {"name": "rest", **left_out}]
    (tmp_path / "orders.avsc").write_text(json.dumps({**AVRO_SCHEMA, "fields": fields}))
    own = tmp_path / f"own_{next(_FOLDERS)}_pipelines"
    request = Request(str(tmp_path / "orders.avsc"), None, GUESS, Format.AVRO)
    if is_refused:
        with pytest.raises(UsageError, match="field 'rest' is left out, and has neither a default nor null"):
            write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS)
    else:
        check_samples(write_from("shop", own, request, kafka=no_kafka, now_ms=NOW_MS).location)
