"""Reads MongoDB's metrics: operations, connections, cache, disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from pymongo import MongoClient, ReadPreference
from pymongo.errors import PyMongoError

from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

# Shorter than Prometheus waits for an answer.
_ANSWER_MS = 4000


class MongoMetrics:
    """Asks MongoDB for its metrics each time they are read.

    Args:
        mongo: MongoDB's settings.
    """

    errors: tuple[type[Exception], ...] = (PyMongoError,)

    def __init__(self, mongo: MongoSettings) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(
            **mongo_client(mongo),
            appname="tandem-exporter",
            connect=False,
            serverSelectionTimeoutMS=_ANSWER_MS,
            connectTimeoutMS=_ANSWER_MS,
            socketTimeoutMS=_ANSWER_MS,
            maxPoolSize=2,
        )
        self._database = client.get_database(mongo.database, read_preference=ReadPreference.PRIMARY_PREFERRED)

    def close(self) -> None:
        """Closes the connections."""
        self._database.client.close()

    def read(self) -> list[Metric]:
        """Returns all metrics.

        Raises:
            PyMongoError: MongoDB does not answer, or refuses the user.
        """
        status = self._database.client.admin.command("serverStatus")
        return [*server(status), *storage(self._database.command("dbStats"))]


def server(status: dict[str, Any]) -> Iterator[Metric]:
    """Yields the metrics of the server that answers.

    Args:
        status: the answer of ``serverStatus``.
    """
    operations = CounterMetricFamily("tandem_mongo_operations", "Operations since the start.", labels=["operation"])
    for name, number in status["opcounters"].items():
        if isinstance(number, int):
            operations.add_metric([name], number)
    yield operations
    connections = GaugeMetricFamily("tandem_mongo_connections", "Connections of clients.", labels=["state"])
    for state in ("current", "available"):
        connections.add_metric([state], status["connections"][state])
    yield connections
    memory = status["mem"]["resident"] * 2**20
    yield GaugeMetricFamily("tandem_mongo_resident_bytes", "Memory of the process.", memory)
    cache = status.get("wiredTiger", {}).get("cache", {})
    for name, text, field in (
        ("cache_bytes", "Bytes in the cache.", "bytes currently in the cache"),
        ("cache_dirty_bytes", "Bytes in the cache that are not on disk yet.", "tracked dirty bytes in the cache"),
        ("cache_max_bytes", "Size of the cache.", "maximum bytes configured"),
    ):
        if field in cache:
            yield GaugeMetricFamily(f"tandem_mongo_{name}", text, cache[field])


def storage(stats: dict[str, Any]) -> Iterator[Metric]:
    """Yields the size of the pipeline's database and of the disk that holds it.

    Args:
        stats: the answer of ``dbStats``.
    """
    size = GaugeMetricFamily(
        "tandem_mongo_storage_bytes", "Bytes of a database, with its indexes.", labels=["database"]
    )
    size.add_metric([stats["db"]], stats["storageSize"] + stats["indexSize"])
    yield size
    # Atlas does not tell.
    if "fsTotalSize" in stats:
        disk, used = stats["fsTotalSize"], stats["fsUsedSize"]
        yield GaugeMetricFamily("tandem_mongo_disk_bytes", "Size of the disk with the data.", disk)
        yield GaugeMetricFamily("tandem_mongo_disk_free_bytes", "Free bytes of that disk.", disk - used)
