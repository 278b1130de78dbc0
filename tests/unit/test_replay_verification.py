"""The verification of a replayed set accepts what the range decides, and finds what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange
from tandem.errors import TandemError
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.replay import verification
from tandem.replay.verification import verify_replayed
from tandem.settings.load import load
from tandem.verify.report import Kind, Report
from tandem.verify.step_progress import OnProgress, nothing
from tandem.verify.topics import TopicRecord
from tests.unit.test_verify_compare import (
    ARRIVED_MS,
    EARLY,
    EARLY_MS,
    RECENT,
    RECENT_MS,
    Collections,
    order,
    payment,
    record,
)

FACT = {
    "_id": "o1|p1",
    "order_id": "o1",
    "order_date": EARLY_MS,
    "created_at": EARLY_MS,
    "customer_id": "c",
    "order_amount": 7,
    "payment_id": "p1",
    "payment_date": EARLY_MS,
    "payment_amount": 9,
}
ALONE = {
    "_id": "order|o2",
    "kind": "order",
    "order_id": "o2",
    "order_date": EARLY_MS,
    "created_at": EARLY_MS,
    "customer_id": "c",
    "amount": 7,
}
RECORDS: Mapping[str, list[TopicRecord]] = {
    ORDERS.topic: [
        # Only the replay before this range has read the first one.
        *(record(0, order("o0", EARLY)), record(1, order("o1", EARLY)), record(2, order("o2", EARLY))),
        *(record(3, b"{"), record(4, order("o3", RECENT))),
    ],
    PAYMENTS.topic: [record(0, payment("p1", EARLY, "o1")), record(1, payment("p3", RECENT, "o3"))],
}
LATER = {
    "_id": "o3|p3",
    "order_id": "o3",
    "order_date": RECENT_MS,
    "created_at": RECENT_MS,
    "customer_id": "c",
    "order_amount": 7,
    "payment_id": "p3",
    "payment_date": RECENT_MS,
    "payment_amount": 9,
}


class Reader:
    """A topic in memory, from which retention may have removed records."""

    begin = 0
    # None for the number of its records.
    end: int | None = None
    partitions: tuple[int, ...] = (0,)

    def __init__(self, _kafka: object, topic: str) -> None:
        self.topic = topic

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def beginnings(self) -> dict[int, int]:
        return dict.fromkeys(self.partitions, self.begin if self.topic == ORDERS.topic else 0)

    def ends(self) -> dict[int, int]:
        return dict.fromkeys(self.partitions, self.end or len(RECORDS[self.topic]))

    def read(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[TopicRecord]:
        return (each for each in RECORDS[self.topic] if start[0] <= each.offset < end[0])


class Database:
    def with_options(self, **_: object) -> Database:
        return self


Verify = Callable[..., Report]


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Returns a function that verifies documents of the set ``v2``."""

    def verify(
        facts: list[Any],
        unmatched: list[Any],
        *,
        complete_ms: int | None = None,
        begin: int = 0,
        replayed_with: Mapping[str, Any] = MappingProxyType({}),
        on_progress: OnProgress = nothing,
    ) -> Report:
        stored = Collections({f"{FACTS.name}_v2": facts, f"{UNMATCHED.name}_v2": unmatched})

        class Documents:
            def __init__(self, _database: object, names: Mapping[str, str]) -> None:
                self._names = names

            def ids(self, collection: str) -> Any:
                return stored.ids(self._names[collection])

            def read(self, collection: str) -> Any:
                return stored.read(self._names[collection])

        monkeypatch.setattr(verification, "TopicReader", Reader)
        monkeypatch.setattr(verification, "MongoDocuments", Documents)
        monkeypatch.setattr(Reader, "begin", begin)
        offsets = {ORDERS.topic: {"0": (1, 5)}, PAYMENTS.topic: {"0": (0, 2)}}
        span = ReplayRange(offsets, since_ms=ARRIVED_MS, complete_ms=complete_ms, into="v2", settings=replayed_with)
        return verify_replayed(load("embedded"), Database(), span, on_progress)  # type: ignore[arg-type]

    return verify


def test_the_steps_of_a_comparison_are_reported(verified: Verify) -> None:
    steps: list[tuple[str, int, int]] = []
    verified([FACT], [ALONE], on_progress=lambda *step: steps.append(step))
    assert steps[0] == ("reading records", 0, 6)
    assert steps[-3:] == [("reading records", 6, 6), ("comparing", 0, 1), ("comparing", 1, 1)]


def test_a_failed_step_is_not_reported_as_done(verified: Verify) -> None:
    steps: list[tuple[str, int, int]] = []
    with pytest.raises(TandemError, match="removed"):
        verified([FACT], [ALONE], begin=2, on_progress=lambda *step: steps.append(step))
    assert steps == [("reading records", 0, 6)]


def test_a_faultless_set_agrees_without_its_dead_letters(verified: Verify) -> None:
    report = verified([FACT, LATER], [ALONE])
    assert report.ok
    assert (report.total["matched"], report.total["unmatched"], report.total["dead"]) == (4, 1, 1)
    assert (report.total["late"], report.problems) == (0, [])
    assert any("the suffix v2" in note for note in report.notes)


@pytest.mark.parametrize(
    ("facts", "unmatched", "kind"),
    [
        ([LATER], [ALONE], Kind.LOST),
        ([FACT, LATER], [], Kind.LOST),
        ([{**FACT, "order_amount": 8}, LATER], [ALONE], Kind.WRONG),
        ([FACT, LATER, {**FACT, "_id": "x"}], [ALONE], Kind.DOUBLED),
        # Its record is not in the range.
        ([FACT, LATER], [ALONE, {**ALONE, "_id": "order|o0", "order_id": "o0"}], Kind.INVENTED),
    ],
)
def test_a_difference_is_found(verified: Verify, facts: list[Any], unmatched: list[Any], kind: Kind) -> None:
    report = verified(facts, unmatched)
    assert not report.ok
    assert [problem.kind for problem in report.problems] == [kind]


@pytest.mark.parametrize("unmatched", [[], [ALONE]])
def test_an_event_from_before_the_range_may_be_undecided(verified: Verify, unmatched: list[Any]) -> None:
    report = verified([FACT, LATER], unmatched, complete_ms=ARRIVED_MS)
    assert report.ok
    assert report.total["late"] == 1 - len(unmatched)
    assert any("partners which were not read: 1" in note for note in report.notes)


@pytest.mark.parametrize("unmatched", [[], [ALONE]])
@pytest.mark.parametrize(
    ("facts", "kind"), [([{**FACT, "order_amount": 8}, LATER], Kind.WRONG), ([LATER], Kind.LOST), ([], Kind.LOST)]
)
@pytest.mark.parametrize("complete_ms", [ARRIVED_MS, NEVER_MS])
def test_a_pair_of_events_from_before_the_range_is_decided(
    verified: Verify, facts: list[Any], unmatched: list[Any], kind: Kind, complete_ms: int
) -> None:
    """With ``NEVER_MS``, all events may have partners that were not read."""
    wrong = verified(facts, unmatched, complete_ms=complete_ms)
    assert [(problem.kind, problem.count) for problem in wrong.problems] == [(kind, max(1, 2 - len(facts)))]


def test_the_parameters_are_those_of_the_replay(verified: Verify) -> None:
    """Those of now may be newer, or the job's."""
    half_a_day = {"parameters": {"match_window_seconds": 43_300}}
    # No watermark has passed this window, so the order alone is undecided.
    assert verified([FACT, LATER], [], replayed_with=half_a_day).ok
    assert not verified([FACT, LATER], [ALONE], replayed_with=half_a_day).ok
    assert not verified([FACT, LATER], []).ok


def test_records_that_kafka_has_removed_are_reported(verified: Verify) -> None:
    with pytest.raises(TandemError, match=f"Kafka has removed records of {ORDERS.topic}"):
        verified([FACT, LATER], [ALONE], begin=2)
    assert verified([FACT, LATER], [ALONE], begin=1).ok


def test_a_partition_that_the_topic_got_after_the_replay_is_ignored(
    verified: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "partitions", (0, 1))
    assert verified([FACT, LATER], [ALONE]).ok


@pytest.mark.parametrize(("name", "value"), [("partitions", (1,)), ("end", 1)])
def test_a_topic_that_was_created_again_is_reported(
    verified: Verify, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.setattr(Reader, name, value)
    with pytest.raises(TandemError, match="Kafka has removed records of "):
        verified([FACT, LATER], [ALONE])
