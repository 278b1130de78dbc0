"""Verifies a pipeline: reads the topics, and compares its documents."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tandem.catalog import declared_by
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.settings.connections import mongo_client
from tandem.settings.model import Settings
from tandem.verify.compare import compare
from tandem.verify.intake import Intake, unknown_schema_keys
from tandem.verify.mongo_documents import AS_NUMBERS, MongoDocuments
from tandem.verify.oracle import load_oracle
from tandem.verify.progress import OnProgress, Progress, counted, nothing
from tandem.verify.report import Report
from tandem.verify.settle import Problem, await_settled
from tandem.verify.topics import Offsets, TopicReader, TopicRecord, check_uncompacted
from tandem.verify.watermark import sweep

_SERVER_SELECTION_MS = 10_000


def verify(
    settings: Settings,
    *,
    settle_deadline_s: float,
    problem: Problem = lambda: None,
    progress: OnProgress = nothing,
) -> Report:
    """Returns the comparison of MongoDB and the dead letters with the topics.

    A difference counts only if no records arrived during the comparison. Otherwise the new records are read, too, and
    everything is compared again.

    Args:
        settings: the pipeline's settings.
        settle_deadline_s: how long the job may take to catch up with the records, in seconds.
        problem: returns why the job cannot catch up, if the platform knows.
        progress: is called a few times a second, with the current step, the number that is done, and the total.

    Raises:
        EnvironmentNotReadyError: Kafka or MongoDB does not answer.
        TandemError: by the deadline, the job has not caught up or the topics still grow; or the job cannot catch up;
            or Kafka compacts a topic.
    """
    deadline = time.monotonic() + settle_deadline_s
    with _few_collections(), ExitStack() as stack:
        verification = _Verification(settings, stack, Progress(progress))
        try:
            while True:
                report, grown = verification.once(settle_deadline_s, problem)
                if report.ok or not grown:
                    return report
                if time.monotonic() > deadline:
                    raise TandemError(
                        f"the topics of {settings.pipeline} still grow after {settle_deadline_s:.0f} s",
                        hint="stop the producers, or allow more time with --wait",
                    )
        except PyMongoError as error:
            raise EnvironmentNotReadyError(
                f"MongoDB does not answer: {type(error).__name__}", hint="check with `tandem status` that it is running"
            ) from None


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collects garbage rarely, because many live objects make it slow."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Verification:
    """Holds the connections and the records read so far."""

    def __init__(self, settings: Settings, stack: ExitStack, progress: Progress) -> None:
        self._job, self._pipeline, self._progress = settings.job, settings.pipeline, progress
        self._oracle, declared = load_oracle(settings.location), declared_by(settings.location)
        self._names = [stream.name for stream in declared.streams]
        self._collections = [collection.name for collection in declared.collections]
        client: MongoClient[dict[str, Any]] = stack.enter_context(
            MongoClient(**mongo_client(settings.mongo), serverSelectionTimeoutMS=_SERVER_SELECTION_MS)
        )
        self._database = client.get_database(settings.mongo.database, codec_options=AS_NUMBERS)
        self._topics = [stack.enter_context(TopicReader(settings.kafka, stream.topic)) for stream in declared.streams]
        self._letters = stack.enter_context(TopicReader(settings.kafka, declared.dead_letter_topic))
        check_uncompacted(settings.kafka, [reader.topic for reader in (*self._topics, self._letters)])
        skew = self._job.max_clock_skew_seconds
        self._intakes = [Intake(stream, max_clock_skew_seconds=skew) for stream in declared.streams]
        self._beginnings = {reader.topic: reader.beginnings() for reader in (*self._topics, self._letters)}
        self._read_to: dict[str, Offsets] = {reader.topic: self._beginnings[reader.topic] for reader in self._topics}

    def once(self, deadline_s: float, problem: Problem) -> tuple[Report, bool]:
        """Returns a report, and whether the topics grew meanwhile."""
        ends = {reader.topic: reader.ends() for reader in self._topics}
        unknown_then: Set[bytes] = frozenset()
        if any(intake.stream.format is not None for intake in self._intakes):
            # Which records the job rejected is known once it has committed them. They move no watermark.
            await_settled(self._database, self._pipeline, ends, 0, deadline_s=deadline_s, problem=problem)
            unknown_then = unknown_schema_keys(self._read_letters())
        unread = sum(sum(ends[topic].values()) - sum(offsets.values()) for topic, offsets in self._read_to.items())
        with self._progress.step("reading records", unread) as advance:
            for reader, intake in zip(self._topics, self._intakes, strict=True):
                records = reader.read(self._read_to[reader.topic], ends[reader.topic])
                intake.take(counted(records, advance), unknown_then)
        self._read_to = ends
        arrivals = (arrival for intake in self._intakes for arrival in intake.arrivals)
        watermark = sweep(arrivals, self._names, lateness_seconds=self._job.lateness_seconds)
        dropped = await_settled(
            self._database, self._pipeline, ends, watermark.ms, deadline_s=deadline_s, problem=problem
        )
        with self._progress.step("comparing", 1):
            report = compare(
                self._intakes,
                MongoDocuments(self._database),
                self._read_letters(),
                watermark,
                oracle=self._oracle,
                collections=self._collections,
                dead_letter_topic=self._letters.topic,
                parameters=self._job.parameters,
                beginnings=self._beginnings,
                dropped_as_late=dropped,
            )
        return report, any(reader.ends() != ends[reader.topic] for reader in self._topics)

    def _read_letters(self) -> Iterator[TopicRecord]:
        return self._letters.read(self._beginnings[self._letters.topic], self._letters.ends())
