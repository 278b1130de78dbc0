"""The differences between two sets of collections, and how they are shown."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from rich.console import Console

from tandem.replay.diff import Difference, Example, difference
from tandem.replay.diff_report import lines, show, to_json
from tandem.verify.bounds import Bounds

NONE = Bounds()


def test_each_document_is_equal_different_or_only_in_one() -> None:
    old = [{"_id": "a", "n": 1}, {"_id": "b", "n": 1}, {"_id": "c", "n": 1}, {"_id": "e", "n": 1}]
    new = [{"_id": "a", "n": 1}, {"_id": "b", "n": 2, "m": 1}, {"_id": "d", "n": 1}, {"_id": "f"}]
    found = difference("facts", old, new, NONE)
    assert (found.old, found.new, found.equal, found.differing) == (4, 4, 1, 1)
    assert (found.old_examples, found.new_examples) == (["c", "e"], ["d", "f"])
    assert (found.only_old, found.only_new, found.outside) == (2, 2, 0)
    assert found.changed == {"m": 1, "n": 1}
    assert found.examples == [Example("b", {"m": ("-", "1"), "n": ("1", "2")})]
    assert not found.none


def test_equal_collections_have_no_difference() -> None:
    rows: list[dict[str, Any]] = [{"_id": "a", "n": 1}, {"_id": "ä", "n": 1}, {"_id": "\U0001f600"}]
    assert difference("facts", rows, rows, NONE) == Difference("facts", old=3, new=3, equal=3)
    assert difference("facts", [], [], NONE).none


def test_a_type_is_a_difference() -> None:
    found = difference("facts", [{"_id": "a", "n": 1, "t": True}], [{"_id": "a", "n": 1.0, "t": 1}], NONE)
    assert found.changed == {"n": 1, "t": 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, Int64(5)),
        (5, 5.0),
        (1, True),
        (None, "absent"),
        ({"a": 5}, {"a": Int64(5)}),
        ({"a": None}, {}),
        ([5], [Int64(5)]),
        ([], [None]),
        (float("nan"), 0.0),
        (DBRef("c", 5), DBRef("c", Int64(5))),
        (DatetimeMS(5), Int64(5)),
    ],
)
def test_another_type_or_null_is_a_difference_in_both_directions(one: Any, other: Any) -> None:
    documents = [{"_id": "a"} if each == "absent" else {"_id": "a", "n": each} for each in (one, other)]
    for old, new in (documents, reversed(documents)):
        assert difference("facts", [old], [new], NONE).changed == {"n": 1}


@pytest.mark.parametrize(
    "value", [None, float("nan"), {"a": [float("nan"), None]}, DBRef("c", 1, None, a=float("nan")), Decimal128("NaN")]
)
def test_a_value_equals_itself(value: Any) -> None:
    assert difference("facts", [{"_id": "a", "n": value}], [{"_id": "a", "n": deepcopy(value)}], NONE).equal == 1


def test_types_are_shown_where_the_values_look_the_same() -> None:
    found = difference("facts", [{"_id": "a", "n": 5}], [{"_id": "a", "n": Int64(5)}], NONE)
    assert found.examples == [Example("a", {"n": ("5 (int)", "5 (long)")})]


def test_a_document_that_the_records_cannot_decide_is_counted_apart() -> None:
    bounds = Bounds(("at", "paid"), 100, 200)
    within = {"_id": "b", "at": DatetimeMS(100), "paid": DatetimeMS(200)}
    old = [{"_id": "a", "at": DatetimeMS(99)}, within, {"_id": "c", "at": DatetimeMS(201)}]
    found = difference("facts", old, [{"_id": "d", "at": DatetimeMS(150), "paid": DatetimeMS(250)}], bounds)
    assert (found.outside, found.only_old, found.only_new) == (3, 1, 0)
    assert found.old_examples == ["b"]
    # Different contents are a difference wherever they are dated.
    early = [{"_id": "a", "at": DatetimeMS(1), "n": number} for number in (1, 2)]
    assert difference("facts", early[:1], early[1:], bounds).differing == 1


def test_a_document_without_a_known_event_time_may_be_outside() -> None:
    """An event time inside a record, or a collection without a view: nothing says that the range decides it."""
    old, new = [{"_id": "a", "at": DatetimeMS(150)}, {"_id": "b"}], [{"_id": "c"}]
    named: list[tuple[str, str]] = []
    found = difference("facts", old, new, Bounds(("at",), 100, 200), lambda *each: named.append(each))
    assert (found.outside, found.undated, found.only_old, found.only_new) == (2, 2, 1, 0)
    assert named == [("facts", "a")]
    assert any("2 documents" in line and "event_times of VIEW" in line for line in lines(found, values=False))
    # Without bounds, no document is outside.
    everything = difference("facts", old, new, NONE)
    assert (everything.outside, everything.undated, everything.only_old, everything.only_new) == (0, 0, 2, 1)
    assert not any("VIEW" in line for line in lines(everything, values=False))


def test_every_document_of_the_old_collection_is_named() -> None:
    named: list[tuple[str, str]] = []
    difference("facts", [{"_id": f"{n:03}"} for n in range(100)], [], NONE, lambda *each: named.append(each))
    assert named == [("facts", f"{n:03}") for n in range(100)]


def test_few_examples_are_kept() -> None:
    old = [{"_id": f"{number:03}", "n": 1} for number in range(100)]
    new = [{"_id": f"{number:03}", "n": 2} for number in range(100)]
    found = difference("facts", old, new, NONE)
    assert (found.differing, len(found.examples)) == (100, 5)
    alone = difference("facts", old, [], NONE)
    assert (alone.only_old, len(alone.old_examples)) == (100, 5)


def test_values_are_shown_only_if_asked_for() -> None:
    old = [{"_id": "a", "name": "secret", "at": DatetimeMS(0)}]
    found = difference("facts", old, [{"_id": "a", "name": "x" * 100, "at": DatetimeMS(2**62)}], NONE)
    hidden, shown = ("\n".join(lines(found, values=values)) for values in (False, True))
    assert "secret" not in hidden
    assert "a: at, name" in hidden
    assert "name: secret -> " + "x" * 60 + "..." in shown
    assert "at: 1970-01-01 00:00:00 -> DatetimeMS(4611686018427387904)" in shown
    assert "secret" not in json.dumps(to_json(found, values=False))
    assert "secret" in json.dumps(to_json(found, values=True))
    out = io.StringIO()
    show([found], Console(file=out, width=100), values=False)
    assert "differing fields: at in 1, name in 1" in out.getvalue()
