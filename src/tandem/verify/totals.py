"""Makes the report of a verification from what was counted and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from tandem.verify.expected import MOST_COMBINATIONS
from tandem.verify.report import Kind, Problems, RecordCounts, Report


class Dropped(NamedTuple):
    """The number of records that the job dropped as late, repeats included.

    Attributes:
        counted: the number in its reports.
        unreported: the number of records in batches without a report, because the job was killed between a batch's
            commit and its report. Any of them may have been dropped, too.
    """

    counted: int
    unreported: int = 0


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
    dropped: Dropped,
) -> Report:
    """Returns the report; for the arguments, see ``compare.compare`` and ``report.Report``."""
    missing = sum(counts["late"] for counts in totals.streams.values()) - totals.late_unprocessed
    for _ in range(missing - sum(dropped)):
        remark = f"{missing} missing, {'at most ' if dropped.unreported else ''}{sum(dropped)} dropped by the job"
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
    if missing > dropped.counted and dropped.unreported:
        notes.append(
            f"{missing} records may have been late: the job has counted {dropped.counted}, and did not report what it "
            f"dropped of {dropped.unreported} more, because it was killed"
        )
    return Report(totals.streams, totals.problems.all(), notes, watermark_ms, outcomes)


def _notes(beginnings: Mapping[str, Mapping[int, int]]) -> list[str]:
    removed = {topic: sum(offsets.values()) for topic, offsets in beginnings.items()}
    return [
        f"{topic}: the first {count} offsets were removed by retention and could not be verified"
        for topic, count in removed.items()
        if count
    ]
