"""The differences between two sets of collections, and how they are shown."""

from __future__ import annotations

import io
import json
from typing import Any

from bson.datetime_ms import DatetimeMS
from rich.console import Console

from tandem.replay.diff import Bounds, Difference, Example, difference
from tandem.replay.diff_report import lines, show, to_json

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
