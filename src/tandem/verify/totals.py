"""Makes the report of a verification from what was counted and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tandem.verify.expected import MOST_COMBINATIONS
from tandem.verify.report import Kind, Problems, RecordCounts, Report


@dataclass(frozen=True)
class Totals:
    """What was counted and compared.

    Attributes:
        streams: the outcomes of each stream's records.
        problems: the differences of documents, dead letters and events.
        late_unprocessed: the number of unprocessed events whose outcome is late.
        unknown_then: the number of events that the job rejected before their schema was known.
        most_contents: the largest number of different contents of one event, for each stream.
        differ: whether documents differ.
    """

    streams: Mapping[str, RecordCounts]
    problems: Problems
    late_unprocessed: int
    unknown_then: int
    most_contents: Sequence[int]
    differ: bool


def report_of(
    totals: Totals,
    *,
    watermark_ms: int,
    outcomes: tuple[str, ...],
    dead_letter_topic: str,
    beginnings: Mapping[str, Mapping[int, int]],
    dropped_as_late: int | None,
) -> Report:
    """Returns the report; for the arguments, see ``compare.compare`` and ``report.Report``."""
    missing = sum(counts["late"] for counts in totals.streams.values()) - totals.late_unprocessed
    for _ in range(missing - dropped_as_late if dropped_as_late is not None else 0):
        remark = f"{missing} missing, {dropped_as_late} dropped by the job"
        totals.problems.add(Kind.LOST, "possibly late records", remark)
    notes = _notes(beginnings)
    if totals.unknown_then:
        notes.append(
            f"{dead_letter_topic}: records that were rejected before their schema was known: {totals.unknown_then}; "
            "`tandem reconcile` writes their documents, but none of unmatched events"
        )
    if totals.differ and (combinations := prod(totals.most_contents)) > MOST_COMBINATIONS:
        notes.append(
            f"events were sent with too many different contents: documents were compared with "
            f"{MOST_COMBINATIONS} of {combinations} combinations"
        )
    if missing and dropped_as_late is None:
        notes.append(f"{missing} records may have been late; the number that the job dropped is unknown")
    return Report(totals.streams, totals.problems.all(), notes, watermark_ms, outcomes)


def _notes(beginnings: Mapping[str, Mapping[int, int]]) -> list[str]:
    removed = {topic: sum(offsets.values()) for topic, offsets in beginnings.items()}
    return [
        f"{topic}: the first {count} offsets were removed by retention and could not be verified"
        for topic, count in removed.items()
        if count
    ]
