"""What `tandem new --from` infers of samples, and how it refuses what it cannot use."""

from __future__ import annotations

import doctest
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tandem.engine.declare import spark_type
from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.kind import Kind
from tandem.engine.declare.stream import RecordPart
from tandem.errors import UsageError
from tandem.scaffold import names
from tandem.scaffold.chosen import SECOND_OPTIONS, Choice, choose
from tandem.scaffold.described import Described
from tandem.scaffold.infer import identity, words
from tandem.scaffold.infer.join_key import JoinKey, chosen_join_key, guess_join_key
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.infer.outliers import usual
from tandem.scaffold.sources import read_source, samples, uniting
from tandem.scaffold.sources.samples import Samples, described_by_samples
from tandem.settings.model import KafkaSettings

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("module", [words, names, identity, uniting, spark_type], ids=lambda module: module.__name__)
def test_the_examples_of_docstrings_are_true(module: Any) -> None:
    found = doctest.testmod(module)
    assert (found.attempted > 0, found.failed) == (True, 0)


def no_kafka() -> KafkaSettings:
    raise AssertionError("no source is a topic")


def described(folder: Path, text: str | bytes, name: str = "orders.jsonl") -> Described:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_source(str(folder / name), no_kafka)


def lines(*records: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in records)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", "true false", FieldType.BOOLEAN),
        ("x", "1 -5", FieldType.INTEGER),
        ("x", "99999999999999999999", FieldType.decimal(34, 0)),
        ("x", "1 2.5", FieldType.DOUBLE),
        ("x", "12.34 5.60", FieldType.DOUBLE),
        ("x", "1.25 " * 20, FieldType.DOUBLE),
        ("x", "1.255 " * 20, FieldType.DOUBLE),
        ("x", "12.34 5.6", FieldType.DOUBLE),
        ("amount", "12.5 5 7.25", FieldType.decimal(12, 2)),
        ("total", "123456789012.345", FieldType.decimal(16, 3)),
        ("price", "1e2 1.5", FieldType.DOUBLE),
        ("price", "12.34", FieldType.decimal(12, 2)),
        ("lat", "52.520008", FieldType.DOUBLE),
        ("lat", "52.52", FieldType.DOUBLE),
        ("temperature", "21.25", FieldType.DOUBLE),
        ("tax_rate", "0.19", FieldType.DOUBLE),
        ("discountPercent", "12.50", FieldType.DOUBLE),
        ("x", '"2026-01-01" "2026-12-31"', FieldType.DATE),
        ("x", '"2026-01-01" "2026-02-30"', FieldType.STRING),
        ("x", '"2026-01-01T10:00:00Z" "2026-01-01 10:00"', FieldType.TIMESTAMP),
        ("x", '"a" ""', FieldType.TEXT),
        ("x", '"12.34"', FieldType.STRING),
        ("total_price", '"409.94" "-5"', FieldType.decimal(12, 2)),
        ("total_price", '"409.94" "1e3"', FieldType.STRING),
        ("total_price", '"409" "5"', FieldType.STRING),
        ("total_price", '"409.94" ""', FieldType.TEXT),
        ("created_at", "1764000000", FieldType.EPOCH_SECONDS),
        ("quantity", "1764000000", FieldType.INTEGER),
        ("ts", "1764000000000", FieldType.EPOCH_MILLISECONDS),
        ("anything", "1764000000000", FieldType.EPOCH_MILLISECONDS),
        ("updatedAt", "1764000000000000", FieldType.EPOCH_MICROSECONDS),
        ("customer_id", "1764000000000", FieldType.INTEGER),
        ("x", "[] [1, 2]", FieldType.array(FieldType.INTEGER)),
        ("x", "[]", FieldType.array(FieldType.TEXT)),
        ("x", "{}", FieldType.map(FieldType.TEXT)),
        (
            "x",
            '{"a": 1} {"b": "c"}',
            FieldType.record({"a": FieldType.INTEGER.optional(), "b": FieldType.STRING.optional()}),
        ),
        ("x", "null", FieldType.STRING.optional()),
        ("x", "1 null", FieldType.INTEGER.optional()),
    ],
)
def test_the_type_of_values(name: str, values: str, kind: Kind, tmp_path: Path) -> None:
    decoder, text, found = json.JSONDecoder(), values, []
    while text:
        _, end = decoder.raw_decode(text)
        found.append(text[:end])
        text = text[end:].strip()
    records = "".join(f'{{"{name}": {each}}}\n' for each in found)
    assert dict(described(tmp_path, records).fields) == {name: kind}


@pytest.mark.parametrize(
    ("name", "value", "is_noted"),
    [
        ("created_at", '"2026-01-01t00:00:00z"', True),
        ("created_at", '"20260101T000000Z"', True),
        ("updated", '"2026-W01-4"', True),
        ("date", '"Thu, 01 Jan 2026 00:00:00 +0000"', True),
        ("created_at", "0", True),
        ("created_at", "1764000000", False),
        ("time_zone", '"Europe/Berlin"', False),
        ("version", '"20260101T000000Z"', False),
    ],
)
def test_a_field_named_like_a_time_that_is_not_declared_as_one_is_noted(
    name: str, value: str, is_noted: bool, tmp_path: Path
) -> None:
    found = described(tmp_path, f'{{"id": "a", "{name}": {value}}}\n')
    assert any(note.startswith(f"{name}: ") for note in found.notes) == is_noted


def test_the_schema_of_an_array_is_refused_and_not_read_as_a_record(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the schema is not of an object"):
        described(tmp_path, '{"type": "array", "items": {"type": "object"}}', "orders.json")


def test_references_into_arrays_are_followed(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "b": {"$ref": "#/properties/a/anyOf/0"},
            "c": {"$ref": "#/properties/a/anyOf/2"},
            "d": {"$ref": "#/properties/a/anyOf/-1"},
        },
        "required": ["b"],
    }
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert found.fields == {"a": FieldType.INTEGER.optional(), "b": FieldType.INTEGER}
    assert [note.partition(" refers")[0] for note in found.notes] == ["left out: c", "left out: d"]


def test_of_nested_records_that_are_left_out_the_innermost_is_named(tmp_path: Path) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"x": {}}}
    for _ in range(20):
        schema = {"type": "object", "properties": {"x": schema, "id": {"type": "string"}} if _ == 19 else {"x": schema}}
    found = described(tmp_path, json.dumps(schema), "orders.json")
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"left out: {'x.' * 20}x")


@pytest.mark.parametrize("text", ['{"type": "integer"}', None], ids=["schema", "samples"])
def test_a_time_may_be_named_with_its_unit(text: str | None, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "sent": json.loads(text or "{}")}}
    schema["required"] = ["id", "sent"]
    content = json.dumps(schema) if text else '{"id": "a", "sent": 1764000000}\n'
    found = described(tmp_path, content, "orders.json")
    for unit, kind in (("s", FieldType.EPOCH_SECONDS), ("ms", FieldType.EPOCH_MILLISECONDS)):
        stream = choose(found, Choice(("id",), f"sent:{unit}"), "shop", NOW_MS).stream
        assert (stream.event_time, stream.fields["sent"]) == ("sent", kind)
    with pytest.raises(UsageError, match="sent:x is not a declared field"):
        choose(found, Choice(("id",), "sent:x"), "shop", NOW_MS)
    if text:
        with pytest.raises(UsageError, match="not a timestamp") as refused:
            choose(found, Choice(("id",), "sent"), "shop", NOW_MS)
        assert refused.value.hint.startswith("add its unit, such as --time sent:ms; or choose")


def test_a_field_of_the_identity_is_named_once(tmp_path: Path) -> None:
    found = described(tmp_path, '{"id": "a", "version": 1}\n')
    with pytest.raises(UsageError, match="--id id is given twice"):
        choose(found, Choice(("id", "id")), "shop", NOW_MS)


def test_fields_without_a_default_are_chosen_before_others(tmp_path: Path) -> None:
    properties = {
        "id": {"type": "string", "default": "none"},
        "created_at": {"type": "string", "format": "date-time", "default": "1970-01-01T00:00:00Z"},
        "order_no": {"type": "string", "minLength": 1},
        "sent": {"type": "string", "format": "date-time"},
    }
    schema = {"type": "object", "properties": properties, "required": ["order_no", "sent"]}
    found = choose(described(tmp_path, json.dumps(schema), "orders.json"), Choice(), "shop", NOW_MS)
    assert (found.stream.identity, found.stream.event_time) == ("order_no", "sent")
    only = {"type": "object", "properties": {name: properties[name] for name in ("id", "created_at")}}
    found = choose(described(tmp_path, json.dumps(only), "orders.json"), Choice(), "shop", NOW_MS)
    assert [note for note in found.notes if note.startswith("records that lack")] == [
        "records that lack id have the same identity: the field's default",
        "records that lack created_at have the same time: the field's default",
    ]


def test_decimals_and_what_may_be_one_are_named(tmp_path: Path) -> None:
    notes = described(tmp_path, '{"price": 1.50, "items": [{"fee": 1.255}], "lat": 52.52, "x": 1.5}\n').notes
    assert "decimals: price (12, 2), items[].fee (12, 3); a number with more digits" in notes[0]
    assert notes[1] == "doubles: lat; declare amounts of money as decimal(12, 2)"
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no records"),
        (" \n\n", "has no records"),
        ("[]", "has no records"),
        ('{"a": 1}\n{"a": 2}\n{"a": 3\n{"a": 4}\n', r"orders\.jsonl:3: not JSON: Expecting ',' delimiter, at column 8"),
        ('{"a": 1\n{"a": 2}\n', r"orders\.jsonl:1: not JSON"),
        ("hello\n", r"orders\.jsonl:1: not JSON"),
        ('[\n{"a": 1},\n5\n]', r"orders\.jsonl:3: not a JSON object"),
        ('[\n{"a": 1}\n{"a": 2}\n]', r"orders\.jsonl:2: neither a comma"),
        ('[{"a": 1},]', r"orders\.jsonl:1: no value follows the comma"),
        ('[{"a": 1},\n{"a": 2}]\n{"a": 3}', r"orders\.jsonl:3: something follows the array"),
        ("[] x", r"orders\.jsonl:1: something follows the array"),
        ('{"a": "\\ud800"}\n', r"orders\.jsonl:1: .* a lone surrogate"),
        ('{"a": 1, "a": 2}\n', r"orders\.jsonl:1: .* a name occurs twice"),
        ('{"a": NaN}\n', r"orders\.jsonl:1: .* NaN is not JSON"),
        (b'{"a": 1}\n{"a": "\xff"}\n', r"orders\.jsonl:2: not UTF-8"),
        ('{"a": 1}\n\n{"a": "x"}\n', "field 'a' is an integer in line 1 and a string in line 3"),
        ('{"a": [{"b": 1}]}\n{"a": [{"b": []}]}\n', r"field 'a\[\]\.b' is an integer in line 1 and an array in line 2"),
        ('{"": 1}\n', "no field that a stream can declare"),
    ],
)
def test_an_unreadable_record_is_reported_with_its_line(text: str | bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=problem):
        described(tmp_path, text)


@pytest.mark.parametrize("name", ["orders.desc", "orders.parquet", "missing.jsonl"])
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not supported yet|No such file"):
        read_source(str(tmp_path / name), no_kafka)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}\n{"a": 2}\n',
        '\ufeff{"a": 1}\r\n\r\n{"a": 2}',
        '[{"a": 1}, {"a": 2}]',
        '\ufeff[\r\n  {"a": 1},\r\n  {"a": 2}\r\n]\r\n',
        '{\n  "a": 1\n}\n{\n  "a": 2\n}\n',
        '{"a": 1} {"a": 2}',
    ],
)
def test_records_may_be_written_in_several_ways(text: str, tmp_path: Path) -> None:
    if text == '{"a": 1} {"a": 2}':
        text = f"\n{text}"
    assert [each.fields for each in described(tmp_path, text).samples] == [{"a": 1}, {"a": 2}]


def test_a_large_file_is_read_in_part(tmp_path: Path) -> None:
    found = described(tmp_path, lines(*({"id": number} for number in range(10_050))))
    assert found.summary == "10,000 records, the first of the file"
    found = described(tmp_path, json.dumps([{"id": number} for number in range(10_050)]))
    assert len(found.samples) == 10_000


def test_a_line_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_MOST_CHARACTERS", 1000)
    found = described(tmp_path, json.dumps([{"id": number} for number in range(500)]))
    assert 50 < len(found.samples) < 100
    with pytest.raises(UsageError, match=r"orders\.jsonl:2: longer than 1,000 characters"):
        described(tmp_path, '{"a": 1}\n{"a": "%s"}\n' % ("x" * 2000))
    assert len(described(tmp_path, '{"a": "%s"}' % ("x" * 990)).samples) == 1


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    opened = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(opened, b'{"a": 1}\n')
        with pytest.raises(UsageError, match="is not a regular file"):
            read_source(str(tmp_path / "pipe"), no_kafka)
    finally:
        os.close(opened)


def test_an_integer_of_the_size_of_a_time_is_noted(tmp_path: Path) -> None:
    found = described(tmp_path, lines({"barcode": 1764000000000, "ts": 1764000000000}))
    assert found.fields["barcode"] == FieldType.EPOCH_MILLISECONDS
    assert found.notes == ("barcode: declared as a time since 1970 because of its size",)


def test_what_cannot_be_declared_is_left_out_and_said(tmp_path: Path) -> None:
    deep = "[" * 60 + "1" + "]" * 60
    text = '{"id": 1, "ID": 2, "a\\nb": 3, "n": [null], "d": %s, "big": %s}\n' % (deep, "9" * 400)  # noqa: UP031
    found = described(tmp_path, text)
    assert set(found.fields) == {"id"}
    assert [each.partition(":")[0] for each in found.notes] == ["left out"] * 5


@pytest.mark.parametrize(
    ("records", "identity", "time"),
    [
        ([{"order_id": "a", "customer_id": "c", "created_at": "2026-01-01T00:00:00Z"}], "order_id", "created_at"),
        ([{"customer_id": "c", "id": 1, "updated_at": 1764000000, "ordered_at": 1764000001}], "id", "ordered_at"),
        ([{"x_id": "a", "y_id": "b"}, {"x_id": "a", "y_id": "c"}], "y_id", RecordPart.TIMESTAMP),
        ([{"after": {"id": 1}, "ts_ms": 1764000000000}], "after.id", "ts_ms"),
        ([{"order_id": 1, "line_no": 1}, {"order_id": 1, "line_no": 2}, {"order_id": 2, "line_no": 1}], 2, None),
        ([{"id": "a"}, {"id": "a"}], "id", None),
        ([{"id": "a", "n": 1}, {"id": "a", "n": 2}], RecordPart.KEY, None),
        ([{"id": "a"}, {"n": 1}], RecordPart.KEY, None),
        ([{"price": 1.5}], RecordPart.KEY, None),
        ([{"at": "2026-01-01T00:00:00Z"}, {"n": 1}], RecordPart.KEY, RecordPart.TIMESTAMP),
        ([{"id": 1, "expires_at": 1764000000, "when": 1764000000}], "id", "when"),
        ([{"id": 1, "created_at": 4000000000, "when": 1764000000}], "id", "when"),
        # The rows get columns of these names for a nested identity or time, and for several fields.
        ([{"identity": {"id": "x"}, "n": 1}], RecordPart.KEY, RecordPart.TIMESTAMP),
        ([{"Event_Time": {"ts": "2026-01-01T00:00:00Z"}, "n": 1}], RecordPart.KEY, RecordPart.TIMESTAMP),
        ([{"identity": {"line": n % 2}, "x_id": n // 2} for n in range(4)], RecordPart.KEY, None),
        # An integer is no time because of its size alone.
        ([{"id": 1, "barcode": 1764000000000}], "id", RecordPart.TIMESTAMP),
    ],
)
def test_identity_and_time_are_guessed(records: list[dict[str, Any]], identity: Any, time: Any, tmp_path: Path) -> None:
    stream = choose(described(tmp_path, lines(*records)), Choice(), "shop", NOW_MS).stream
    if identity == 2:
        identity = ("order_id", "line_no")
    assert stream.identity == identity
    assert time is None or stream.event_time == time


def test_identity_and_time_can_be_chosen(tmp_path: Path) -> None:
    record = {"id": "a", "shop": 1, "at": 1764000000, "seen": 1764000000000}
    found = described(tmp_path, lines(record, {**record, "id": "b"}))
    chosen = choose(found, Choice(("shop",), "seen"), "shop", NOW_MS)
    assert (chosen.stream.identity, chosen.stream.event_time) == ("shop", "seen")
    assert "line 1 and line 2 have the same" in chosen.notes[0]
    parts = choose(found, Choice(("record:key",), "record:timestamp"), "shop", NOW_MS).stream
    assert (parts.identity, parts.event_time) == (RecordPart.KEY, RecordPart.TIMESTAMP)
    assert choose(found, Choice(("shop", "id")), "shop", NOW_MS).stream.identity == ("shop", "id")
    seconds = described(tmp_path, lines({"id": "a", "n": {"x": 1764000000}}))
    assert str(choose(seconds, Choice((), "n.x"), "shop", NOW_MS).stream.fields["n"].fields["x"]) == (
        "timestamp in seconds"
    )
    collide = described(tmp_path, lines({"identity": 1, "event_time": {"at": "2026-01-01T00:00:00Z"}, "line": 1}))
    for choice, option in (
        (Choice(("identity", "line")), "--id identity"),
        (Choice((), "event_time.at"), "--time event_time.at"),
        (Choice((), "event_time.at", options=SECOND_OPTIONS), "--join-time event_time.at"),
    ):
        with pytest.raises(UsageError, match=f"{option} is in a field with the name of a column that the rows get"):
            choose(collide, choice, "shop", NOW_MS)
    with pytest.raises(UsageError, match="--join-id none is not a declared field"):
        choose(found, Choice(("none",), options=SECOND_OPTIONS), "shop", NOW_MS)
    for wrong in (Choice(("none",)), Choice((), "none"), Choice((), "shop")):
        with pytest.raises(UsageError, match=r"is not a declared field|not a timestamp"):
            choose(found, wrong, "shop", NOW_MS)


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        ({"order_id": "a"}, {"payment_id": "p", "order_id": "a"}, JoinKey("order_id", "order_id")),
        ({"id": 1, "n": 1}, {"id": 1, "order_id": 1}, JoinKey("id", "order_id")),
        ({"orderId": "a"}, {"id": 1, "order_id": "a"}, JoinKey("orderId", "order_id")),
        ({"x": {"id": "a"}}, {"x": {"order_id": "a"}}, JoinKey("x.id", "x.order_id")),
        ({"order_id": "1"}, {"order_id": 1}, JoinKey("order_id", "order_id")),
    ],
)
def test_the_key_of_a_join_is_guessed(
    first: dict[str, Any], second: dict[str, Any], key: JoinKey, tmp_path: Path
) -> None:
    orders, others = described(tmp_path, lines(first)), described(tmp_path, lines(second), "payments.jsonl")
    assert guess_join_key(orders, others) == key


def test_the_stream_that_the_key_identifies_is_the_left_one(tmp_path: Path) -> None:
    payments = described(tmp_path, lines({"order_id": "a", "n": 1}, {"order_id": "a", "n": 2}), "payments.jsonl")
    orders = described(tmp_path, lines({"order_id": "a"}, {"order_id": "b"}))
    assert guess_join_key(payments, orders) == JoinKey("order_id", "order_id", swapped=True)
    assert chosen_join_key(payments, orders, "order_id") == JoinKey("order_id", "order_id", swapped=True)
    with pytest.raises(UsageError, match=r"have the same value.*payments\.jsonl has line 1 and line 2"):
        chosen_join_key(payments, payments, "order_id")
    with pytest.raises(UsageError, match="share no field"):
        guess_join_key(payments, described(tmp_path, lines({"id": 1}), "others.jsonl"))
    optional = described(tmp_path, lines({"order_id": "a"}, {"n": 1}), "other.jsonl")
    with pytest.raises(
        UsageError, match=r"jsonl are identified by n, as chosen; order_id is optional in .*other\.jsonl"
    ):
        chosen_join_key(orders, optional, "order_id", (("n",), ()))
    with pytest.raises(UsageError, match="has no such field"):
        chosen_join_key(payments, orders, "nothing")


def test_records_of_a_topic_that_are_unlike_the_others_do_not_count() -> None:
    good = [Sample(f"offset {number}", {"id": f"i{number}", "n": number, "at": "2026-01-01"}) for number in range(300)]
    unlike: list[dict[str, Any]] = [{"n": 1, "at": "2026-01-01"}, {"id": "", "n": 1, "at": "x"}, {"id": 5, "n": 1}]
    odd = [Sample("odd", each) for each in unlike]
    assert usual([*good, *odd]) == good
    # What many lack is optional, and few records do not show what is usual.
    assert len(usual([*good, *odd * 10])) == 330
    assert len(usual([*good[:50], *odd])) == 53


def test_fields_of_several_types_are_left_out_of_a_topics_records() -> None:
    records = [Sample("offset 1", {"id": "a", "x": 1}), Sample("offset 2", {"id": "b", "x": "y"})]
    found = described_by_samples("topic t", "t", Samples(records, ""), topic="t")
    assert set(found.fields) == {"id"}
    assert found.notes == ("left out: field 'x' is an integer in offset 1 and a string in offset 2",)
    notes = choose(found, Choice(), "shop", NOW_MS).notes
    assert "`tandem run` and `tandem produce` send generated records to the topic t" in notes
    with pytest.raises(UsageError, match="field 'x' is an integer in offset 1"):
        described_by_samples("t", "t", Samples(records, ""))
