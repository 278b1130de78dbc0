"""Verifies a pipeline: reads the topics, and compares its documents."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager

from tandem.catalog import declared_by
from tandem.errors import TandemError
from tandem.settings.model import Settings
from tandem.verify.coverage import coverage_of
from tandem.verify.in_memory import InMemoryVerification
from tandem.verify.intake import unknown_schema_keys
from tandem.verify.mongo_documents import MongoDocuments, database_as_numbers
from tandem.verify.oracle import division_of, load_oracle
from tandem.verify.parallel.parallel_verification import ParallelVerification
from tandem.verify.parallel.temporary_folder import temporary_folder
from tandem.verify.parallel.work import Work, parts_for
from tandem.verify.parallel.worker_sources import KafkaAndMongo
from tandem.verify.parallel.workers import Workers
from tandem.verify.report import Report
from tandem.verify.settle import FindProblem, await_settled
from tandem.verify.step_progress import OnProgress, Progress, nothing
from tandem.verify.topics import Ends, TopicReader, check_uncompacted

# Fewer records need at most 1 GB in one process, which takes less processor time.
_PARALLEL_FROM = 1_000_000


def verify(
    settings: Settings,
    *,
    settle_deadline_s: float,
    problem: FindProblem = lambda: None,
    progress: OnProgress = nothing,
    parallel_from: int = _PARALLEL_FROM,
) -> Report:
    """Returns the comparison of MongoDB and the dead letters with the topics.

    A difference counts only if no records arrived during the comparison. Otherwise the new records are read, too, and
    everything is compared again, at least once.

    Args:
        settings: the pipeline's settings.
        settle_deadline_s: how long the job may take to catch up with the records, in seconds.
        problem: returns why the job cannot catch up, if the platform knows.
        progress: is called a few times a second, with the current step, the number that is done, and the total.
        parallel_from: the number of records or documents from which worker processes verify them, if the oracle divides
            events.

    Raises:
        EnvironmentNotReadyError: Kafka or MongoDB does not answer.
        TandemError: by the deadline, the job has not caught up; or the topics still grow in a round that began after
            it; or the job cannot catch up; or Kafka compacts a topic; or a worker process died; or temporary files
            cannot be written.
    """
    deadline = time.monotonic() + settle_deadline_s
    with _few_collections(), ExitStack() as stack:
        verification = _Verification(settings, stack, Progress(progress), parallel_from)
        last = False
        while True:
            report, grown = verification.once(settle_deadline_s, problem)
            if report.ok or not grown:
                return report
            if last:
                found = ", ".join(f"{each.count} {each.kind} in {each.where}" for each in report.problems)
                raise TandemError(
                    f"the topics of {settings.pipeline} still grow after {settle_deadline_s:.0f} s; "
                    f"differences until now: {found or 'records without an outcome'}",
                    hint="stop the producers, or allow more time with --wait",
                )
            # A round may last longer than the deadline. The next one reads only what arrived meanwhile.
            last = time.monotonic() > deadline


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

    def __init__(self, settings: Settings, stack: ExitStack, progress: Progress, parallel_from: int) -> None:
        self._settings, self._stack, self._progress = settings, stack, progress
        self._declared, self._oracle = declared_by(settings.location), load_oracle(settings.location)
        self._database = stack.enter_context(database_as_numbers(settings.mongo))
        streams = self._declared.streams
        self._topics = [stack.enter_context(TopicReader(settings.kafka, stream.topic)) for stream in streams]
        self._letters = stack.enter_context(TopicReader(settings.kafka, self._declared.dead_letter_topic))
        check_uncompacted(settings.kafka, [reader.topic for reader in (*self._topics, self._letters)])
        self._coverage = coverage_of(self._declared, settings.job, self._topics, self._letters)
        self._read_to: Ends = {reader.topic: self._coverage.beginnings[reader.topic] for reader in self._topics}
        self._records = self._new_records(parallel_from)

    def once(self, deadline_s: float, problem: FindProblem) -> tuple[Report, bool]:
        """Returns a report, and whether the topics grew meanwhile."""
        pipeline, ends = self._settings.pipeline, self._ends()
        unknown_then: Set[bytes] = frozenset()
        if any(stream.format is not None for stream in self._declared.streams):
            # Which records the job rejected is known once it has committed them. They move no watermark.
            await_settled(self._database, pipeline, ends, 0, deadline_s=deadline_s, problem=problem)
            letters = self._letters.read(self._coverage.beginnings[self._letters.topic], self._letters.ends())
            unknown_then = unknown_schema_keys(letters)
        self._records.take(self._read_to, ends, unknown_then)
        self._read_to = ends
        watermark_ms = self._records.watermark_ms()
        dropped = await_settled(self._database, pipeline, ends, watermark_ms, deadline_s=deadline_s, problem=problem)
        report = self._records.report(self._letters.ends(), dropped)
        return report, self._ends() != ends

    def _ends(self) -> Ends:
        return {reader.topic: reader.ends() for reader in self._topics}

    def _new_records(self, parallel_from: int) -> InMemoryVerification | ParallelVerification:
        settings = self._settings
        records = sum(sum(ends.values()) - sum(self._read_to[topic].values()) for topic, ends in self._ends().items())
        # Kafka removes records, and their documents stay.
        stored = (self._database[each.name].estimated_document_count() for each in self._declared.collections)
        count = max(records, sum(stored))
        if count < parallel_from or division_of(self._oracle) is None:
            documents = MongoDocuments(self._database)
            return InMemoryVerification(
                self._declared,
                self._oracle,
                settings,
                self._topics,
                self._letters,
                documents,
                self._coverage,
                self._progress,
            )
        folder = self._stack.enter_context(temporary_folder(settings.home, count))
        workers = self._stack.enter_context(Workers())
        work = Work(
            location=settings.location,
            sources=KafkaAndMongo(settings),
            folder=folder,
            parts=parts_for(count),
            max_clock_skew_seconds=settings.job.max_clock_skew_seconds,
            sender=settings.sender,
            lateness_seconds=settings.job.lateness_seconds,
            parameters=settings.job.parameters,
            coverage=self._coverage,
        )
        return ParallelVerification(work, workers, self._progress)
