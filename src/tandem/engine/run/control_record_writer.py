"""Appends control records to topics.

A cluster's driver has no Python client of Kafka, so this uses the Java clients of Spark's Kafka connector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from typing import Any

from py4j.protocol import Py4JJavaError

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.connection_options import kafka_properties

_SERIALIZER = "org.apache.kafka.common.serialization.ByteArraySerializer"
_PRODUCER = {
    "acks": "all",
    "max.block.ms": "15000",
    "key.serializer": _SERIALIZER,
    "value.serializer": _SERIALIZER,
}
# The client requires that the second one is not longer than the first.
_ADMIN = dict.fromkeys(("default.api.timeout.ms", "request.timeout.ms"), "15000")


class Answer(Enum):
    """What became of a topic's control records."""

    SENT = "sent"
    REFUSED = "refused"  # the job has no WRITE right
    WAITS = "waits"  # for the end of an open transaction, whose events they would make late


class ControlRecordWriter:
    """Appends control records with connected clients.

    Args:
        jvm: the driver's Java.
        producer: Java's producer.
        admin: Java's administration client.
    """

    def __init__(self, jvm: Any, producer: Any, admin: Any) -> None:
        self._jvm, self._producer, self._admin = jvm, producer, admin

    def append(self, topic: str, value: bytes) -> Answer:
        """Appends a record to each partition of a topic."""
        kafka = self._jvm.org.apache.kafka
        record = kafka.clients.producer.ProducerRecord
        try:
            found = self._producer.partitionsFor(topic)
            if self._has_open_transaction([kafka.common.TopicPartition(topic, each.partition()) for each in found]):
                return Answer.WAITS
            sent = [self._producer.send(record(topic, each.partition(), CONTROL_KEY, value)) for each in found]
            for future in sent:
                future.get()
        except Py4JJavaError as error:
            if "AuthorizationException" not in str(error.java_exception):
                raise
            return Answer.REFUSED
        return Answer.SENT

    def _has_open_transaction(self, partitions: Sequence[Any]) -> bool:
        """Returns whether the job cannot read a partition to its end yet."""
        levels = self._jvm.org.apache.kafka.common.IsolationLevel
        # In this order, records that arrive between the two requests do not look like an open transaction.
        ends = self._ends(partitions, levels.READ_UNCOMMITTED)
        readable = self._ends(partitions, levels.READ_COMMITTED)
        return any(readable.get(each).offset() < ends.get(each).offset() for each in partitions)

    def _ends(self, partitions: Sequence[Any], level: Any) -> Any:
        client = self._jvm.org.apache.kafka.clients.admin
        wanted = self._jvm.java.util.HashMap()
        for each in partitions:
            wanted.put(each, client.OffsetSpec.latest())
        return self._admin.listOffsets(wanted, client.ListOffsetsOptions(level)).all().get()


@contextmanager
def control_record_writer(jvm: Any, config: JobConfig) -> Iterator[ControlRecordWriter]:
    """Yields a writer that is connected to the job's Kafka."""
    clients = jvm.org.apache.kafka.clients

    def properties(own: Mapping[str, str]) -> Any:
        result = jvm.java.util.Properties()
        for name, value in {**kafka_properties(config), **own}.items():
            result.setProperty(name, value)
        return result

    with (
        closing(clients.producer.KafkaProducer(properties(_PRODUCER))) as producer,
        closing(clients.admin.AdminClient.create(properties(_ADMIN))) as admin,
    ):
        yield ControlRecordWriter(jvm, producer, admin)
