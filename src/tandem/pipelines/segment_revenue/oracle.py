"""Computes the expected revenue documents without Spark, for ``tandem verify``."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from math import comb
from operator import itemgetter
from typing import Any

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, REVENUE, UNKNOWN
from tandem.testing import Document, Expectation, Observed, document_id

COUNTED = "counted"
OUTCOMES = (COUNTED,)

_Sales = Mapping[str, Mapping[str, Any]]
# The engine decides which millisecond of the watermark closes a window, so one more or less is allowed.
_BOUNDARY_MS = 1
_MOST_COMBINATIONS = 100_000


def expect(
    accepted: Mapping[str, _Sales],
    *,
    watermark_ms: int,
    late: Set[tuple[str, str]],
    observed: Observed,
    window_seconds: int,
) -> Expectation:
    """Returns exactly the documents that must be stored.

    A sale that may have been late was either counted or dropped. The document of its window shows which: its number and
    revenue tell how many sales, and which ones, were dropped. Everything else must agree.

    Args:
        accepted: the sales by identity; timestamps in microseconds since 1970.
        watermark_ms: the watermark that the job has reached, in milliseconds since 1970.
        late: the sales that may have been late.
        observed: the stored documents.
        window_seconds: the length of a window.
    """
    there = {document["_id"]: document for document in observed.documents(REVENUE.name)}
    documents: dict[str, dict[str, Any]] = {REVENUE.name: {}}
    outcome: dict[tuple[str, str], str] = {}
    segments = _Segments(observed.documents(CUSTOMER_SEGMENTS.collection))
    for group in _groups(accepted["sales"], late, segments, window_seconds):
        passed_ms = watermark_ms - group.end_ms
        if passed_ms < -_BOUNDARY_MS or (passed_ms <= _BOUNDARY_MS and group.identity not in there):
            outcome.update({("sales", sale): "waiting" for sale in group.sales})
            continue
        left_out = group.left_out(there.get(group.identity))
        outcome.update({("sales", sale): "late" if sale in left_out.sales else COUNTED for sale in group.sales})
        if len(left_out.sales) < len(group.sales):
            documents[REVENUE.name][group.identity] = group.document(left_out)
    return Expectation(documents, outcome)


class _Segments:
    """The segments of customers over time."""

    def __init__(self, versions: Iterable[Document]) -> None:
        self._versions: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for version in versions:
            if version.get("valid_from") is not None:
                segment = version.get("segment") or ""
                self._versions[version.get("customer_id") or ""].append((int(version["valid_from"]), segment))
        for each in self._versions.values():
            each.sort()

    def of(self, customer: str, at_micros: int) -> str:
        versions = self._versions.get(customer, [])
        number = bisect_right(versions, at_micros // 1000, key=itemgetter(0))
        return versions[number - 1][1] or UNKNOWN if number else UNKNOWN


@dataclass(frozen=True)
class _LeftOut:
    """Late sales that were not counted, and their revenue."""

    sales: Set[str]
    amount: int


@dataclass
class _Group:
    """The sales of one segment in one window."""

    start_ms: int
    end_ms: int
    segment: str
    sales: dict[str, int] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)

    @property
    def identity(self) -> str:
        return document_id(str(self.start_ms // 1000), self.segment)

    def document(self, left_out: _LeftOut) -> dict[str, Any]:
        return {
            "_id": self.identity,
            "window_start": DatetimeMS(self.start_ms),
            "window_end": DatetimeMS(self.end_ms),
            "segment": self.segment,
            "sales": len(self.sales) - len(left_out.sales),
            "revenue": Decimal128(Decimal(sum(self.sales.values()) - left_out.amount)),
        }

    def left_out(self, stored: Document | None) -> _LeftOut:
        """Returns the late sales that the stored document does not count."""
        if not self.late or stored is None:
            return self._amounting(self.late)
        missing = len(self.sales) - stored.get("sales", 0)
        amount = sum(self.sales.values()) - _whole(stored.get("revenue"))
        if not 0 < missing <= len(self.late):
            return _LeftOut(set(), 0)
        if comb(len(self.late), missing) > _MOST_COMBINATIONS:
            return self._some(missing, amount)
        candidates = (self._amounting(some) for some in combinations(sorted(self.late), missing))
        return next((each for each in candidates if each.amount == amount), _LeftOut(set(), 0))

    def _some(self, missing: int, amount: int) -> _LeftOut:
        """Returns any late sales of the missing number.

        It is used if there are too many combinations to try.
        """
        by_amount = sorted(self.late, key=self.sales.__getitem__)
        least = self._amounting(by_amount[:missing])
        most = self._amounting(by_amount[len(by_amount) - missing :])
        return replace(least, amount=amount) if least.amount <= amount <= most.amount else _LeftOut(set(), 0)

    def _amounting(self, sales: Iterable[str]) -> _LeftOut:
        return _LeftOut(set(sales), sum(self.sales[sale] for sale in sales))


def _groups(sales: _Sales, late: Set[tuple[str, str]], segments: _Segments, window_seconds: int) -> Iterable[_Group]:
    groups: dict[tuple[int, str], _Group] = {}
    size_ms = window_seconds * 1000
    for sale, fields in sales.items():
        start_ms = fields["sold_at"] // 1000 // size_ms * size_ms
        segment = segments.of(fields["customer_id"], fields["sold_at"])
        group = groups.setdefault((start_ms, segment), _Group(start_ms, start_ms + size_ms, segment))
        group.sales[sale] = fields["amount"]
        if ("sales", sale) in late:
            group.late.add(sale)
    return groups.values()


def _whole(revenue: Any) -> int:
    return int(revenue.to_decimal()) if isinstance(revenue, Decimal128) else 0
