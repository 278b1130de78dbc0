"""Sends generated records as fast as possible, with librdkafka.

Each stream has its own process.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tandem.errors import TandemError
from tandem.pipelines.orders_payments.generator import events
from tandem.pipelines.orders_payments.streams import STREAMS
from tandem.producer.ledger import Record
from tandem.producer.record_plan import Plan
from tandem.producer.sample import sample
from tandem.settings.model import KafkaSettings
from tandem.verify.topics import TopicReader
from tandem_bench.reports import Ends

# From the end of one set to the start of the next: the match window, by which a payment may precede its order, and the
# lateness. So no record of the next set is late, and the windows of the previous set close.
BETWEEN_SETS = timedelta(minutes=40)
# Uncompressed, as our own producers send if no codec is installed; verify then needs none either.
# Some malformed records have the broker's maximum size. The client's warnings do not matter.
PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "message.max.bytes": 2 * 2**20,
    "log_level": 2,
}
_IN_BULK = {"linger.ms": 20, "batch.size": 512 * 1024, "queue.buffering.max.messages": 500_000}


def own_topics() -> dict[str, str]:
    """Returns the pipeline's topics by the names of its streams."""
    return {stream.name: stream.topic for stream in STREAMS}


def load(kafka: KafkaSettings, plan: Plan, topics: Mapping[str, str] | None = None) -> Ends:
    """Sends a plan's records.

    Returns the offsets behind the last ones, by topic, once all are confirmed.

    Args:
        kafka: Kafka's settings, without a login.
        plan: the plan of the records.
        topics: the topic of each stream, by its name; None for the pipeline's own topics.

    Raises:
        TandemError: Kafka rejected a record.
    """
    topics = own_topics() if topics is None else topics
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(topics), mp_context=context) as pool:
        sent = [pool.submit(_send, kafka.bootstrap, plan, name, topic) for name, topic in topics.items()]
        refused = [error for each in sent if (error := each.result())]
    if refused:
        raise TandemError(f"Kafka rejected a record: {refused[0]}", hint="check that the disk is not full")
    return ends_of(kafka, topics)


def ends_of(kafka: KafkaSettings, topics: Mapping[str, str]) -> Ends:
    """Returns the offset behind the last record of each partition, by topic."""
    ends = {}
    for topic in topics.values():
        with TopicReader(kafka, topic) as reader:
            ends[topic] = reader.ends()
    return ends


def count(ends: Ends, begins: Ends | None = None) -> int:
    """Returns the number of records between two sets of offsets, or before ``ends``."""
    return sum(
        end - (begins[topic][number] if begins else 0)
        for topic, offsets in ends.items()
        for number, end in offsets.items()
    )


def take(producer: Producer, topic: str, record: Record, answered: Callable[..., None] | None = None) -> bool:
    """Returns whether the producer accepted the record.

    Waits at most 0.1 s if its queue is full.

    Args:
        producer: sends the record later.
        topic: the topic.
        record: the record.
        answered: called with Kafka's answer.
    """
    try:
        producer.produce(topic, key=record.key, value=record.value, on_delivery=answered)
    except BufferError:
        producer.poll(0.1)
        return False
    return True


def _send(bootstrap: str, plan: Plan, stream: str, topic: str) -> str | None:
    """Returns why Kafka rejected a record, or None.

    It returns a text, because the errors cannot pass between processes.
    """
    try:
        _send_all(bootstrap, plan, stream, topic)
    except KafkaException as error:
        return str(error.args[0].str())
    return None


def _send_all(bootstrap: str, plan: Plan, stream: str, topic: str) -> None:
    refused: list[KafkaError] = []

    def answered(error: KafkaError | None, _message: Message) -> None:
        if error is not None and not refused:
            refused.append(error)

    producer = Producer({**PRODUCER, **_IN_BULK, "bootstrap.servers": bootstrap})
    declared = next(each for each in STREAMS if each.name == stream)
    for record in sample(plan, declared, events):
        while not take(producer, topic, record, answered):
            pass
        producer.poll(0)
    producer.flush()
    if refused:
        raise KafkaException(refused[0])
