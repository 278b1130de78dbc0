"""Reads Kafka's metrics: brokers, partitions, bytes on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from prometheus_client.core import GaugeMetricFamily, Metric

from tandem.kafka_python import new_client
from tandem.settings.connections import kafka_client
from tandem.settings.model import KafkaSettings

# Shorter than Prometheus waits for an answer.
_REQUEST_MS = 4000
_NO_LEADER = -1


class KafkaMetrics:
    """Asks Kafka for its metrics each time they are read.

    Args:
        kafka: Kafka's settings.
    """

    errors: tuple[type[Exception], ...] = (KafkaError,)

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client: Any = None

    def read(self) -> list[Metric]:
        """Returns all metrics.

        Raises:
            KafkaError: Kafka does not answer, or refuses the user.
        """
        if self._client is None:
            self._client = new_client(
                KafkaAdminClient,
                **kafka_client(self._kafka),
                bootstrap_timeout_ms=_REQUEST_MS,
                request_timeout_ms=_REQUEST_MS,
            )
        try:
            return [
                *brokers(self._client.describe_cluster()),
                *partitions(self._client.describe_topics()),
                *log_folders(self._client.describe_log_dirs()),
            ]
        except KafkaError:
            # A client that has lost its brokers does not look for their new addresses.
            self._client.close()
            self._client = None
            raise


def brokers(cluster: dict[str, Any]) -> Iterator[Metric]:
    """Yields the number of brokers.

    Args:
        cluster: the answer of ``describe_cluster``.
    """
    yield GaugeMetricFamily("tandem_kafka_brokers", "Brokers in the cluster.", len(cluster["brokers"]))


def partitions(topics: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yields the partitions of each topic, and how many are not available.

    Args:
        topics: the answer of ``describe_topics``.
    """
    number = _by_topic("tandem_kafka_partitions", "Partitions of a topic.")
    offline = _by_topic("tandem_kafka_offline_partitions", "Partitions without a leader.")
    missing = _by_topic("tandem_kafka_under_replicated_partitions", "Partitions that lack a replica in sync.")
    for topic in topics:
        if topic["is_internal"]:
            continue
        parts, labels = topic["partitions"], [topic["name"]]
        number.add_metric(labels, len(parts))
        offline.add_metric(labels, sum(part["leader_id"] == _NO_LEADER for part in parts))
        missing.add_metric(labels, sum(len(part["isr_nodes"]) < len(part["replica_nodes"]) for part in parts))
    yield from (number, offline, missing)


def log_folders(answers: list[dict[str, Any]]) -> Iterator[Metric]:
    """Yields the bytes of each topic, and of the disks that hold them.

    Args:
        answers: the answer of ``describe_log_dirs``, one for each broker.
    """
    size = _by_topic("tandem_kafka_topic_bytes", "Bytes of a topic on the brokers' disks, all replicas.")
    labels = ["broker", "folder"]
    disk = GaugeMetricFamily("tandem_kafka_disk_bytes", "Size of the disk with a broker's log folder.", labels=labels)
    free = GaugeMetricFamily("tandem_kafka_disk_free_bytes", "Free bytes of that disk.", labels=labels)
    sizes: Counter[str] = Counter()
    for answer in answers:
        for folder in answer["log_dirs"]:
            place = [str(answer["broker"]), folder["log_dir"]]
            # Kafka before 3.3 does not tell.
            if folder.get("total_bytes", -1) >= 0:
                disk.add_metric(place, folder["total_bytes"])
                free.add_metric(place, folder["usable_bytes"])
            for topic in folder["topics"]:
                sizes[topic["name"]] += sum(part["partition_size"] for part in topic["partitions"])
    for name, number in sorted(sizes.items()):
        size.add_metric([name], number)
    yield from (size, disk, free)


def _by_topic(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["topic"])
