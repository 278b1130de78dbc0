"""Verifies records in this process, with all of them in memory."""

from __future__ import annotations

from collections.abc import Sequence, Set

from tandem.catalog import Declaration
from tandem.settings.model import Settings
from tandem.verify.compare import compare
from tandem.verify.coverage import Coverage
from tandem.verify.expected import Documents
from tandem.verify.intake import Intake
from tandem.verify.oracle import Oracle
from tandem.verify.report import Report
from tandem.verify.step_progress import Progress, counted
from tandem.verify.topics import Ends, Offsets, TopicReader
from tandem.verify.totals import Dropped
from tandem.verify.watermark import Watermark, sweep


class InMemoryVerification:
    """The records that were read so far.

    Args:
        declared: the pipeline's declarations.
        oracle: its oracle.
        settings: its settings.
        topics: the readers of the streams' topics.
        letters: the reader of the dead letters' topic.
        documents: MongoDB's documents.
        coverage: what the records can say.
        progress: is called with each step.
    """

    def __init__(
        self,
        declared: Declaration,
        oracle: Oracle,
        settings: Settings,
        topics: Sequence[TopicReader],
        letters: TopicReader,
        documents: Documents,
        coverage: Coverage,
        progress: Progress,
    ) -> None:
        self._declared, self._oracle, self._job = declared, oracle, settings.job
        self._topics, self._letters, self._documents = topics, letters, documents
        self._coverage, self._progress = coverage, progress
        skew, sender = settings.job.max_clock_skew_seconds, settings.sender
        self._intakes = [Intake(each, max_clock_skew_seconds=skew, sender=sender) for each in declared.streams]
        self._watermark = Watermark(0, frozenset())

    def take(self, starts: Ends, ends: Ends, unknown_then: Set[bytes]) -> None:
        """Reads records that were not read before; see ``Intake.take``."""
        total = sum(end - starts[topic][number] for topic, offsets in ends.items() for number, end in offsets.items())
        with self._progress.step("reading records", total) as advance:
            for reader, intake in zip(self._topics, self._intakes, strict=True):
                records = reader.read(starts[reader.topic], ends[reader.topic])
                intake.take(counted(records, advance), unknown_then)

    def watermark_ms(self) -> int:
        """Returns the watermark that the records imply."""
        arrivals = (arrival for intake in self._intakes for arrival in intake.arrivals)
        names = [stream.name for stream in self._declared.streams]
        lateness, passed_ms = self._job.lateness_seconds, self._coverage.passed_ms
        self._watermark = sweep(arrivals, names, lateness_seconds=lateness, passed_ms=passed_ms)
        return self._watermark.ms

    def report(self, ends: Offsets, dropped: Dropped) -> Report:
        """Returns the comparison; see ``ParallelVerification.report``."""
        with self._progress.step("comparing", 1):
            return compare(
                self._intakes,
                self._documents,
                self._letters.read(self._coverage.beginnings[self._letters.topic], ends),
                self._watermark,
                oracle=self._oracle,
                collections=[collection.name for collection in self._declared.collections],
                dead_letter_topic=self._declared.dead_letter_topic,
                parameters=self._job.parameters,
                coverage=self._coverage,
                dropped=dropped,
            )
