"""Verifies the collections that a replay has written, in plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from pymongo.database import Database

from tandem.catalog import declared_by
from tandem.engine.declare.collection_set import name_beside
from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import TandemError
from tandem.settings.model import Settings
from tandem.verify.compare import compare
from tandem.verify.coverage import Coverage
from tandem.verify.intake import Intake
from tandem.verify.mongo_documents import AS_NUMBERS, MongoDocuments
from tandem.verify.oracle import load_oracle
from tandem.verify.report import Report
from tandem.verify.step_progress import OnProgress, Progress, counted, nothing
from tandem.verify.topics import TopicReader
from tandem.verify.totals import Dropped
from tandem.verify.watermark import sweep


def verify_replayed(
    settings: Settings, database: Database[dict[str, Any]], span: ReplayRange, on_progress: OnProgress = nothing
) -> Report:
    """Returns the comparison of a replayed set with what its records imply.

    In a replay no record is late. An event that is dated before the range may have partners that were not read. Its
    pairs with events that were read must be there. Its other documents may be there or not, and it counts as late if it
    has none. The parameters are those of the replay.

    Args:
        settings: the pipeline's settings.
        database: the pipeline's database.
        span: the range of the newest replay into the set.
        on_progress: is called a few times a second, with the current step, the number that is done, and the total.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer.
        TandemError: Kafka has removed records of the range.
    """
    declared, job = declared_by(settings.location), settings.job.model_copy(update=dict(span.settings))
    skew = job.max_clock_skew_seconds
    intakes = [Intake(each, max_clock_skew_seconds=skew, sender=settings.sender) for each in declared.streams]
    progress, topics = Progress(on_progress), [each.topic for each in declared.streams]
    number = sum(sum(span.ends(topic).values()) - sum(span.starts(topic).values()) for topic in topics)
    with ExitStack() as stack:
        advance = stack.enter_context(progress.step("reading records", number))
        for intake in intakes:
            reader = stack.enter_context(TopicReader(settings.kafka, intake.stream.topic))
            starts, ends = _numbered(span.starts(reader.topic)), _numbered(span.ends(reader.topic))
            _check_there(reader, starts, ends)
            intake.take(counted(reader.read(starts, ends), advance))
    arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
    reached = sweep(arrivals, [each.name for each in declared.streams], lateness_seconds=job.lateness_seconds)
    stored = database.with_options(codec_options=AS_NUMBERS)
    own = [each.name for each in declared.collections]
    documents = MongoDocuments(stored, {name: name_beside(name, span.into) for name in own})
    oracle = load_oracle(settings.location)
    with progress.step("comparing", 1):
        report = compare(
            intakes,
            documents,
            None,
            replace(reached, late=frozenset()),
            oracle=oracle,
            collections=own,
            dead_letter_topic=declared.dead_letter_topic,
            parameters=job.parameters,
            coverage=Coverage(decided_ms=span.decided_ms),
            dropped=Dropped(0),
        )
    notes = [f"compared the collections with the suffix {span.into}; dead letters are not compared"]
    return replace(report, notes=[*notes, *report.notes])


def _numbered(offsets: Mapping[str, int]) -> dict[int, int]:
    return {int(partition): offset for partition, offset in offsets.items()}


def _check_there(reader: TopicReader, starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
    """Raises if records of the range are gone, or the topic was created again."""
    begins, behind = reader.beginnings(), reader.ends()
    for number, first in starts.items():
        there = number in begins and begins[number] <= first and ends[number] <= behind[number]
        if first < ends[number] and not there:
            raise TandemError(
                f"Kafka has removed records of {reader.topic} that the replay has read",
                hint="replay a later range into other collections, and verify it soon afterwards",
            )
