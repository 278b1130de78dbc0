"""The metrics of Kafka and MongoDB: what they count, and what happens while one of them is away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from kafka.errors import KafkaError
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from tandem.exporter.collector import registry
from tandem.exporter.kafka_metrics import KafkaMetrics, log_folders, partitions
from tandem.exporter.mongo_metrics import MongoMetrics, storage
from tandem.settings.load import load

NOWHERE = {"kafka": {"port": 29951}, "mongo": {"port": 29952}}


def values(metrics: Any) -> dict[tuple[str, ...], float]:
    """Returns the samples' values, by name and labels."""
    return {(each.name, *each.labels.values()): each.value for metric in metrics for each in metric.samples}


def partition(leader: int, replicas: list[int], in_sync: list[int]) -> dict[str, Any]:
    return {"leader_id": leader, "replica_nodes": replicas, "isr_nodes": in_sync}


def test_partitions_without_a_leader_or_a_replica_are_counted() -> None:
    parts = [partition(1, [1, 2], [1, 2]), partition(2, [1, 2], [2]), partition(-1, [1, 2], [])]
    topics = [
        {"name": "orders", "is_internal": False, "partitions": parts},
        {"name": "__consumer_offsets", "is_internal": True, "partitions": parts},
    ]
    assert values(partitions(topics)) == {
        ("tandem_kafka_partitions", "orders"): 3,
        ("tandem_kafka_offline_partitions", "orders"): 1,
        ("tandem_kafka_under_replicated_partitions", "orders"): 2,
    }


def test_a_topic_has_the_bytes_of_all_its_replicas() -> None:
    def answer(broker: int, size: int, **disk: int) -> dict[str, Any]:
        topic = {"name": "orders", "partitions": [{"partition_size": size}, {"partition_size": 1}]}
        return {"broker": broker, "log_dirs": [{"log_dir": "/data", "topics": [topic], **disk}]}

    # An older broker does not tell the size of its disk.
    answers = [answer(1, 10, total_bytes=100, usable_bytes=40), answer(2, 20, total_bytes=-1, usable_bytes=-1)]
    assert values(log_folders(answers)) == {
        ("tandem_kafka_topic_bytes", "orders"): 32,
        ("tandem_kafka_disk_bytes", "1", "/data"): 100,
        ("tandem_kafka_disk_free_bytes", "1", "/data"): 40,
    }


def test_a_mongodb_that_does_not_tell_its_disk_has_no_metric_of_it() -> None:
    stats = {"db": "mart", "storageSize": 10, "indexSize": 5}
    assert values(storage(stats)) == {("tandem_mongo_storage_bytes", "mart"): 15}
    told = values(storage({**stats, "fsTotalSize": 100, "fsUsedSize": 70}))
    assert (told["tandem_mongo_disk_bytes",], told["tandem_mongo_disk_free_bytes",]) == (100, 30)


class Source:
    errors: tuple[type[Exception], ...] = (KafkaError,)

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def read(self) -> list[Metric]:
        if self.error:
            raise self.error
        return [GaugeMetricFamily("tandem_known", "Known.", 1)]


def test_a_service_that_is_away_does_not_hide_the_others() -> None:
    text = generate_latest(registry({"kafka": Source(KafkaError("away")), "mongo": Source(None)})).decode()
    assert 'tandem_exporter_up{service="kafka"} 0.0' in text
    assert 'tandem_exporter_up{service="mongo"} 1.0' in text
    assert "tandem_known 1.0" in text


def test_an_error_of_the_program_is_not_taken_for_a_service_that_is_away() -> None:
    with pytest.raises(KeyError):
        generate_latest(registry({"kafka": Source(KeyError("typo"))}))


def test_a_service_that_does_not_answer_raises_what_the_collector_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("kafka_metrics._REQUEST_MS", "mongo_metrics._ANSWER_MS"):
        monkeypatch.setattr(f"tandem.exporter.{module}", 200)
    settings = load("embedded", NOWHERE)
    with pytest.raises(KafkaMetrics.errors):
        KafkaMetrics(settings.kafka).read()
    mongo = MongoMetrics(settings.mongo)
    with pytest.raises(MongoMetrics.errors):
        mongo.read()
    mongo.close()


def test_a_client_that_lost_kafka_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        closed = False

        def describe_cluster(self) -> dict[str, Any]:
            if self is clients[0]:
                raise KafkaError("gone")
            return {"brokers": [1]}

        def describe_topics(self) -> list[Any]:
            return []

        describe_log_dirs = describe_topics

        def close(self) -> None:
            self.closed = True

    clients: list[Client] = []

    def connect(*_: object, **__: object) -> Client:
        clients.append(Client())
        return clients[-1]

    monkeypatch.setattr("tandem.exporter.kafka_metrics.new_client", connect)
    source = KafkaMetrics(load("embedded").kafka)
    with pytest.raises(KafkaError):
        source.read()
    assert values(source.read())["tandem_kafka_brokers",] == 1
    assert values(source.read())["tandem_kafka_brokers",] == 1
    assert [client.closed for client in clients] == [True, False]


def exporter(listen: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TANDEM_PROFILE": "embedded"}
    command = [sys.executable, "-m", "tandem.exporter", f"--listen={listen}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_exporter_needs_an_address_and_a_free_port() -> None:
    wrong = exporter("9470")
    assert (wrong.returncode, "is not ADDRESS:PORT" in wrong.stderr) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = exporter(f"127.0.0.1:{taken.getsockname()[1]}")
    assert busy.returncode == 3
    assert "hint: choose another port with --listen" in busy.stderr
