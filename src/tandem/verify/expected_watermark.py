"""Computes the watermark that the job will reach with the topics' last records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tandem.catalog import declared_by
from tandem.settings.model import Settings
from tandem.verify.intake import Intake
from tandem.verify.topics import TopicReader
from tandem.verify.watermark import sweep

# Records of each partition. They are in order of time except for minutes, so the newest are among the last.
_LAST = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def expected_watermark(settings: Settings) -> datetime | None:
    """Returns the watermark after the topics' last records; None while a stream has no event.

    Raises:
        EnvironmentNotReadyError: Kafka does not answer or a topic is missing.
    """
    streams = declared_by(settings.location).streams
    intakes = [Intake(stream, max_clock_skew_seconds=settings.job.max_clock_skew_seconds) for stream in streams]
    for intake in intakes:
        with TopicReader(settings.kafka, intake.stream.topic) as reader:
            ends, beginnings = reader.ends(), reader.beginnings()
            starts = {number: max(beginnings[number], end - _LAST) for number, end in ends.items()}
            intake.take(reader.read(starts, ends))
    arrivals = (arrival for intake in intakes for arrival in intake.arrivals)
    reached = sweep(arrivals, [stream.name for stream in streams], lateness_seconds=settings.job.lateness_seconds)
    return _EPOCH + timedelta(milliseconds=reached.ms) if reached.ms else None
