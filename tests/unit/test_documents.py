"""What counts as a difference between a stored document and the expected one."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64

from tests.parts import differences

EXPECTED: dict[str, Any] = {
    "_id": "a",
    "items": [{"price": Decimal128("1.50"), "count": 2, "at": DatetimeMS(0)}],
    "inner": {"flag": True, "ratio": 5.0},
    "coupon": None,
}
STORED: dict[str, Any] = {name: value for name, value in EXPECTED.items() if name != "coupon"}


def differs(**changes: Any) -> bool:
    return bool(differences([{**STORED, **changes}], {"a": EXPECTED}))


REFERENCES: list[dict[str, Any]] = [
    {"$ref": "x", "$id": 1},
    {"more": {"$id": "y", "$ref": "x", "$db": "z"}, "$ref": "x", "$id": {"a": [{"$ref": "", "$id": "y"}]}},
]


@pytest.mark.parametrize("inner", REFERENCES)
def test_what_looks_like_a_reference_is_a_document(inner: dict[str, Any]) -> None:
    expected = {"a": {"_id": "a", "inner": inner, "items": [inner]}}
    stored: dict[str, Any] = bson.decode(bson.encode(expected["a"]))
    assert isinstance(stored["inner"], DBRef)
    assert not differences([stored], expected)
    assert differences([{**stored, "inner": DBRef("x", 2)}], expected)
    assert differences([stored], {"a": {**expected["a"], "inner": "x"}})


def items(**changes: Any) -> list[Any]:
    return [{**STORED["items"][0], **changes}]


def test_what_is_expected_to_be_absent_is_not_there() -> None:
    assert not differs()
    assert not differs(items=items(count=Int64(2)))
    assert differs(coupon=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"items": []},
        {"items": STORED["items"] * 2},
        {"items": items(price=Decimal128("1.5"))},
        {"items": items(price=1.5)},
        {"items": items(count=2.0)},
        {"items": items(at=Int64(0))},
        {"items": items(more=1)},
        {"inner": {"flag": 1, "ratio": 5.0}},
        {"inner": {"flag": True, "ratio": Int64(5)}},
        {"inner": {"flag": True}},
        {"inner": None},
        {"items": {"0": STORED["items"][0]}},
    ],
)
def test_differences_inside_of_something_count(changes: dict[str, Any]) -> None:
    assert differs(**changes)


def test_a_value_that_is_no_number_equals_itself_only() -> None:
    expected = {"a": {"_id": "a", "ratio": float("nan")}}
    assert not differences([{"_id": "a", "ratio": float("nan")}], expected)
    for other in (0.0, None, Decimal128("NaN")):
        assert differences([{"_id": "a", "ratio": other}], expected)
    assert differences([{"_id": "a", "ratio": float("nan")}], {"a": {"_id": "a", "ratio": 0.0}})
