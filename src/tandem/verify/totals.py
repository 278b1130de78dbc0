"""Makes the report of a verification from what was counted and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from tandem.engine.declare.iso_time import iso_time_of
from tandem.engine.declare.replay_range import NEVER_MS
from tandem.verify.coverage import Coverage
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
        late_undropped: the number of events whose outcome is late although the job has not dropped them.
        undecided: the number of events whose documents may depend on events that were not read.
        removed: the number of documents that may be of removed records, by collection.
        letters_removed: the number of missing dead letters that Kafka may have removed.
        unknown_then: the number of events that the job rejected before their schema was known.
        most_contents: the largest number of different contents of one event, for each stream.
        differ: whether documents differ.
    """

    streams: Mapping[str, RecordCounts]
    problems: Problems
    late_undropped: int
    undecided: int
    removed: Counter[str]
    letters_removed: int
    unknown_then: int
    most_contents: Sequence[int]
    differ: bool


def report_of(
    totals: Totals,
    *,
    watermark_ms: int,
    outcomes: tuple[str, ...],
    dead_letter_topic: str,
    coverage: Coverage,
    dropped: Dropped,
) -> Report:
    """Returns the report; for the arguments, see ``compare.compare`` and ``report.Report``."""
    missing = sum(counts["late"] for counts in totals.streams.values()) - totals.late_undropped
    for _ in range(missing - sum(dropped)):
        remark = f"{missing} missing, {'at most ' if dropped.unreported else ''}{sum(dropped)} dropped by the job"
        totals.problems.add(Kind.LOST, "possibly late records", remark)
    # If a partition of the topic is empty, nothing says how old its removed letters were. So their number counts, too.
    letters, removed = totals.letters_removed, sum(coverage.beginnings.get(dead_letter_topic, {}).values())
    for _ in range(letters - removed):
        totals.problems.add(Kind.LOST, dead_letter_topic, f"{letters} missing, at most {removed} removed by retention")
    notes = [*_removed_offsets(coverage), *_removed_documents(totals, coverage)]
    if letters:
        notes.append(
            f"{dead_letter_topic}: {min(letters, removed)} missing dead letters may have been removed by retention"
        )
    if totals.undecided:
        notes.append(
            f"events that may have partners which were not read: {totals.undecided}; those without documents count as "
            "late"
        )
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
            f"{missing} records may have been late: the job has counted {dropped.counted}, and nothing reports what it "
            f"dropped of {dropped.unreported} more"
        )
    return Report(totals.streams, totals.problems.all(), notes, watermark_ms, outcomes)


def _removed_offsets(coverage: Coverage) -> Iterator[str]:
    for topic, offsets in coverage.beginnings.items():
        if count := sum(offsets.values()):
            yield f"{topic}: the first {count} offsets were removed by retention and could not be verified"


def _removed_documents(totals: Totals, coverage: Coverage) -> Iterator[str]:
    if coverage.removed_ms is not None and coverage.removed_ms >= NEVER_MS:
        yield "producers date the records, so it is unknown how old the removed ones were"
    elif coverage.removed_ms is not None:
        yield f"documents of events before {iso_time_of(coverage.removed_ms)} may be of removed records"
    for collection, count in totals.removed.items():
        if count:
            dated = bool(coverage.event_times.get(collection))
            yield f"{collection}: {count} documents that may be of removed records could not be verified" + (
                ""
                if dated
                else "; to tell by their event times, name these fields in event_times of VIEW in streams.py"
            )
