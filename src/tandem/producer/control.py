"""Sends control records, which advance a quiet topic's watermark."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from kafka import KafkaProducer

from tandem.engine.declare.control_record import CONTROL_KEY, control_value
from tandem.engine.declare.iso_time import iso_time
from tandem.engine.declare.stream import Stream
from tandem.errors import EnvironmentNotReadyError
from tandem.producer.ledger import Ledger, Outcome, Record
from tandem.producer.send import send

CONTROL_KIND = "control"


def close_windows(
    producer: KafkaProducer,
    streams: Iterable[Stream],
    sender: str,
    at: datetime | None = None,
    *,
    ledger: Ledger | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Sends a control record to every partition of each stream; returns their number.

    Args:
        producer: a connected producer.
        streams: the streams whose watermarks to advance.
        sender: the job whose watermark to advance.
        at: the event time, with a time zone. It must not lie after the records' Kafka timestamps, so it is at most now;
            None is a second ago.
        ledger: gets one line for each record.
        stop: ends the sending early.

    Raises:
        EnvironmentNotReadyError: Kafka did not confirm all of them.
        ValueError: ``at`` has no time zone.
    """
    at = at or datetime.now(UTC) - timedelta(seconds=1)
    records = [
        control_record(stream.topic, partition, sender, at)
        for stream in streams
        for partition in sorted(producer.partitions_for(stream.topic))
    ]
    summary = send(records, producer, ledger or Ledger(None), stop=stop or threading.Event())
    acked = summary.total(Outcome.ACKED)
    if acked < len(records):
        raise EnvironmentNotReadyError(
            f"Kafka confirmed {acked} of {len(records)} control records", hint="check Kafka with `tandem status`"
        )
    return acked


def control_record(topic: str, partition: int, sender: str, at: datetime) -> Record:
    """Returns a control record: the sender expects no event before ``at`` any more."""
    if at.tzinfo is None:
        raise ValueError("the time of a control record needs a time zone")
    label = f"control-{topic}-{partition}-{iso_time(at)}"
    return Record(topic, CONTROL_KEY, control_value(sender, at), label, CONTROL_KIND, partition=partition)
