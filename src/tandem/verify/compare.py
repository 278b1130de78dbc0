"""Compares the expected documents and dead letters with the stored ones.

Without I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from tandem.verify.coverage import Coverage
from tandem.verify.dead_letters import compare_letters
from tandem.verify.expected import Documents, combinations, compare_events
from tandem.verify.intake import Intake
from tandem.verify.oracle import Oracle, division_of
from tandem.verify.oracle_call import OracleCall
from tandem.verify.report import Kind, Problems, RecordCounts, Report
from tandem.verify.topics import TopicRecord
from tandem.verify.totals import Dropped, Totals, report_of
from tandem.verify.watermark import Watermark


def compare(
    intakes: Sequence[Intake],
    documents: Documents,
    letters: Iterable[TopicRecord] | None,
    watermark: Watermark,
    *,
    oracle: Oracle,
    collections: Sequence[str],
    dead_letter_topic: str,
    parameters: Mapping[str, Any],
    coverage: Coverage,
    dropped: Dropped,
) -> Report:
    """Returns every record's outcome and every difference.

    Args:
        intakes: the records read of each stream.
        documents: MongoDB's documents.
        letters: the records of the dead-letter topic; None if they are not compared.
        watermark: the result of ``watermark.sweep`` for the intakes.
        oracle: the pipeline's oracle.
        collections: the names of the collections that the pipeline writes.
        dead_letter_topic: the topic of ``letters``.
        parameters: the pipeline's parameters.
        coverage: what the records can say.
        dropped: the number of records that the job dropped as late. More cannot be missing for that reason: the rest
            is lost.
    """
    problems = Problems()
    # The job has written no document of these, but reconcile may have: as with late events.
    unprocessed = {(intake.stream.name, identity) for intake in intakes for identity in intake.unprocessed}
    most = [intake.most_contents for intake in intakes]
    call = OracleCall(
        oracle.expect, division_of(oracle), collections, parameters, watermark.ms, combinations(most), coverage
    )
    found = compare_events(call, intakes, documents, watermark.late, unprocessed)
    for differences in found.differences.values():
        differences.add_to(problems)
    due = dict(chain.from_iterable((intake.dead | intake.unknown_then).items() for intake in intakes))
    letters_removed = 0
    if letters is not None:
        letters_removed = compare_letters(dead_letter_topic, letters, due, coverage, problems)
    for intake in intakes:
        for identity in intake.conflicting:
            problems.add(Kind.CONFLICTING, intake.stream.name, identity)
    totals = Totals(
        streams={
            intake.stream.name: RecordCounts(**counts_of(intake), **found.outcomes[intake.stream.name])
            for intake in intakes
        },
        problems=problems,
        late_undropped=found.late_undropped,
        undecided=found.undecided,
        removed=found.removed,
        letters_removed=letters_removed,
        unknown_then=sum(len(intake.unknown_then) for intake in intakes),
        most_contents=most,
        differ=any(found.differences.values()),
    )
    return report_of(
        totals,
        watermark_ms=watermark.ms,
        outcomes=tuple(oracle.OUTCOMES),
        dead_letter_topic=dead_letter_topic,
        coverage=coverage,
        dropped=dropped,
    )


def counts_of(intake: Intake) -> dict[str, int]:
    """Returns the numbers of a stream's records, except those of its events' outcomes."""
    return {
        "consumed": intake.consumed,
        "repeated": intake.repeated,
        "dead": len(intake.dead),
        "control": intake.control,
        "ignored": intake.ignored,
    }
