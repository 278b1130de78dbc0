"""Computes the expected facts, and compares them with a peer's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import encode
from bson.raw_bson import RawBSONDocument

from tandem.errors import TandemError
from tandem.pipelines.orders_payments import oracle
from tandem.pipelines.orders_payments.streams import COLLECTIONS, FACTS, STREAMS
from tandem.settings.model import Settings
from tandem.verify.intake import Intake
from tandem.verify.topics import TopicReader
from tandem.verify.verify import verify
from tandem_bench.reports import Ends

Pair = tuple[str, str]


@dataclass(frozen=True)
class Judgement:
    """The differences from the expected facts.

    Attributes:
        lost: missing facts.
        doubled: copies beyond the first.
        invented: facts that were not expected.
    """

    lost: int = 0
    doubled: int = 0
    invented: int = 0

    def __str__(self) -> str:
        """Returns the remark for the table."""
        counts = {"lost": self.lost, "doubled": self.doubled, "invented": self.invented}
        return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing lost or doubled"


def expected(
    settings: Settings, topics: Mapping[str, str], ends: Ends, begins: Ends | None = None
) -> dict[Pair, RawBSONDocument]:
    """Returns the fact documents that records imply, by order id and payment id.

    Args:
        settings: the pipeline's settings.
        topics: the topic of each stream.
        ends: the offset behind the last record, by topic and partition.
        begins: the offset of the first record; None for the topics' beginning.
    """
    accepted = {}
    for stream in STREAMS:
        topic = topics[stream.name]
        intake = Intake(stream, max_clock_skew_seconds=settings.job.max_clock_skew_seconds, sender=settings.sender)
        with TopicReader(settings.kafka, topic) as reader:
            intake.take(reader.read(begins[topic] if begins else reader.beginnings(), ends[topic]))
        accepted[stream.name] = intake.accepted
    nothing: dict[str, set[str]] = {collection.name: set() for collection in COLLECTIONS}
    window = settings.job.parameters["match_window_seconds"]
    expectation = oracle.expect(accepted, watermark_ms=0, late=set(), observed=nothing, match_window_seconds=window)
    facts = expectation.documents[FACTS.name].values()
    return {pair_of(fact): RawBSONDocument(encode(fact)) for fact in facts}


def judge(pairs: Iterable[Pair], wanted: Mapping[Pair, object]) -> Judgement:
    """Returns the differences from the expected facts.

    Facts are identified by the ids of orders and payments.
    """
    seen: set[Pair] = set()
    total = 0
    for pair in pairs:
        total += 1
        seen.add(pair)
    return Judgement(
        lost=sum(pair not in seen for pair in wanted),
        doubled=total - len(seen),
        invented=sum(pair not in wanted for pair in seen),
    )


def pair_of(fact: Mapping[str, Any]) -> Pair:
    """Returns the ids that identify a fact."""
    return fact["order_id"], fact["payment_id"]


def account(settings: Settings, *, deadline_s: float) -> str:
    """Verifies the job's result; returns a remark for the table.

    Raises:
        TandemError: documents are lost, doubled, invented or wrong, so the measurement is invalid.
    """
    report = verify(settings, settle_deadline_s=deadline_s)
    if not report.ok:
        problems = ", ".join(f"{problem.count} {problem.kind} in {problem.where}" for problem in report.problems)
        raise TandemError(f"the job's result is wrong: {problems}", hint="see its log; the measurement is invalid")
    return f"{report.total['consumed']} records verified"
