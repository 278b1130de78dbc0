"""Puts generated records into topics as fast as the machine can: a process for each stream, and librdkafka."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tandem.errors import TandemError
from tandem.pipelines.orders_payments.generator import events
from tandem.pipelines.orders_payments.streams import STREAMS
from tandem.producer.plan import Plan
from tandem.producer.record import Record
from tandem.producer.sample import sample
from tandem.settings.model import KafkaSettings
from tandem.verify.topics import TopicReader
from tandem_bench.reports import Ends

# From the end of one set to the start of the next: the match window, by which a payment may be dated before its order,
# and the lateness. So nothing of the next is late, and the windows of the one before close.
BETWEEN_SETS = timedelta(minutes=40)
# Uncompressed, as our own producers send where no codec is installed; who verifies needs none either.
# Some malformed records are as large as the broker takes them. What the client only warns of is of no interest.
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
    """Returns the offsets behind the last records, by topic, once all of a plan is confirmed.

    Args:
        kafka: where to; it asks for no login.
        plan: what.
        topics: where each stream goes, by its name; None for the pipeline's own topics.

    Raises:
        TandemError: Kafka did not take a record.
    """
    topics = own_topics() if topics is None else topics
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(topics), mp_context=context) as pool:
        sent = [pool.submit(_send, kafka.bootstrap, plan, name, topic) for name, topic in topics.items()]
        refused = [error for each in sent if (error := each.result())]
    if refused:
        raise TandemError(f"Kafka did not take a record: {refused[0]}", hint="is the disk full?")
    return ends_of(kafka, topics)


def ends_of(kafka: KafkaSettings, topics: Mapping[str, str]) -> Ends:
    """Returns the offset behind the last record of each partition, by topic."""
    found = {}
    for topic in topics.values():
        with TopicReader(kafka, topic) as reader:
            found[topic] = reader.ends()
    return found


def count(ends: Ends, begins: Ends | None = None) -> int:
    """Returns how many records lie between two sets of offsets; before ``ends`` when there is one only."""
    return sum(
        end - (begins[topic][number] if begins else 0)
        for topic, offsets in ends.items()
        for number, end in offsets.items()
    )


def take(producer: Producer, topic: str, record: Record, answered: Callable[..., None] | None = None) -> bool:
    """Returns whether the producer took the record; it waits for at most a tenth of a second where no more fit.

    Args:
        producer: it sends the record later.
        topic: where to.
        record: what.
        answered: called with Kafka's answer.
    """
    try:
        producer.produce(topic, key=record.key, value=record.value, on_delivery=answered)
    except BufferError:
        producer.poll(0.1)
        return False
    return True


def _send(bootstrap: str, plan: Plan, stream: str, topic: str) -> str | None:
    """Returns why Kafka did not take a record; None when it took all. Its errors cannot pass between processes."""
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
