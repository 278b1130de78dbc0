"""The peers and the limits of a drain.

Each drains the topics and reports its seconds.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from tandem.artifacts import ensure_jars
from tandem.artifacts.packages import installed
from tandem.local_spark.java import child_environment
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings
from tandem_bench import programs
from tandem_bench.bulk_load import own_topics
from tandem_bench.correctness import Judgement, Pair, judge, pair_of
from tandem_bench.reports import Ends
from tandem_bench.testbed import Testbed

# What Spark needs for functions on pandas frames.
PANDAS = ("pandas==2.3.3", "pyarrow==22.0.0")
FLINK = ("apache-flink==2.2.0",)
_BULK = 10_000
_WRITERS = 2


@dataclass(frozen=True)
class Drained:
    """The drain of a peer or a limit.

    Attributes:
        seconds: from its first read to its last acknowledged write.
        judgement: the differences of its facts; None if it also writes other documents.
    """

    seconds: float
    judgement: Judgement | None = None


def plain_python(testbed: Testbed, ends: Ends, wanted: Mapping[Pair, RawBSONDocument]) -> Drained:
    """Drains by the plain Python program."""
    with testbed.database("bench_plain_python") as mongo:
        arguments = {
            "bootstrap": testbed.settings.kafka.bootstrap,
            "orders": ORDERS.topic,
            "payments": PAYMENTS.topic,
            "ends": json.dumps(ends),
            "mongo": mongo.uri,
            "database": mongo.database,
            "collection": FACTS.name,
        }
        answer = programs.run("peers/plain_python", [f"--{name}={value}" for name, value in arguments.items()], testbed)
        return Drained(answer["seconds"], judged(mongo, wanted))


def tutorial(testbed: Testbed, ends: Ends, wanted: Mapping[Pair, RawBSONDocument]) -> Drained:
    """Drains topics of its own with the tutorials' design, in a warm Java."""
    names = ("bench_tutorial_cold", "bench_tutorial")
    with testbed.database(names[0]), testbed.database(names[1]) as mongo:
        arguments = (
            "drain",
            *tutorial_arguments(testbed, topics_beside()),
            "--ends",
            json.dumps(ends),
            "--databases",
            *names,
        )
        with programs.running_on_spark("peers/tutorial", arguments, testbed, pandas(testbed)) as program:
            seconds = program.answer()["seconds"]
        return Drained(seconds[-1], judged(mongo, wanted))


def flink(testbed: Testbed, ends: Ends, wanted: Mapping[Pair, RawBSONDocument]) -> Drained:
    """Joins with Flink, in a warm Java. Only the warm-up writes its facts."""
    scratch = testbed.layout.scratch / "flink"
    shutil.rmtree(scratch, ignore_errors=True)
    facts = scratch / "facts"
    arguments = {
        "bootstrap": testbed.settings.kafka.bootstrap,
        "orders": ORDERS.topic,
        "payments": PAYMENTS.topic,
        "ends": json.dumps(ends),
        "checkpoints": f"file://{scratch}/checkpoints",
        "facts": f"file://{facts}",
        "rounds": "2",
    }
    command = [f"--{name}={value}" for name, value in arguments.items()]
    env = child_environment(testbed.tools.java, PYTHONPATH=str(_flink_packages(testbed)))
    command += ["--jars", *map(str, _flink_jars(testbed))]
    answer = programs.run("peers/flink", command, testbed, env, own_packages=False)
    return Drained(answer["seconds"][-1], judge(_pairs_in(facts), wanted))


def _pairs_in(folder: Path) -> Iterator[Pair]:
    """Yields what the JSON lines of a folder's files name."""
    for path in filter(Path.is_file, folder.rglob("*")):
        with path.open("rb") as lines:
            yield from (pair_of(orjson.loads(line)) for line in lines)


def tutorial_arguments(testbed: Testbed, topics: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the arguments of the tutorials' program.

    They have its topics and its database.
    """
    places = {**topics, "collection": FACTS.name, "checkpoints": f"file://{testbed.layout.scratch}/tutorial"}
    return tuple(f"--{name}={value}" for name, value in places.items())


def prepare(testbed: Testbed) -> None:
    """Installs the peers' packages, if they are missing."""
    pandas(testbed)
    _flink_packages(testbed)
    _flink_jars(testbed)


def pandas(testbed: Testbed) -> Path:
    """Returns the folder of the packages that the tutorials' design needs."""
    return installed("pandas", PANDAS, testbed.settings.cache_dir)


def _flink_packages(testbed: Testbed) -> Path:
    return installed("flink", FLINK, testbed.settings.cache_dir)


def _flink_jars(testbed: Testbed) -> tuple[Path, ...]:
    return ensure_jars(testbed.settings.cache_dir, testbed.tools.java.program, ["flink"])["flink"]


def spark_batches(testbed: Testbed, ends: Ends) -> dict[str, list[float]]:
    """Returns the seconds of Spark's batches, cold, then warm.

    The kinds are ``read``, ``parse`` and ``batch`` (``peers/spark_batch.py``).
    """
    names = ("bench_batch_cold", "bench_batch")
    with testbed.database(names[0]), testbed.database(names[1]):
        arguments = ("--ends", json.dumps(ends), "--databases", *names)
        with programs.running_on_spark("peers/spark_batch", arguments, testbed) as program:
            answer: dict[str, list[float]] = program.answer()
            return answer


def inserts(testbed: Testbed, wanted: Mapping[Pair, RawBSONDocument]) -> Drained:
    """Writes the facts, and does nothing else."""
    with testbed.database("bench_inserts") as mongo:
        return Drained(insert(mongo, FACTS.name, list(wanted.values())))


def topics_beside() -> dict[str, str]:
    """Returns topics other than the pipeline's, by the names of its streams."""
    return {name: f"bench_{topic}" for name, topic in own_topics().items()}


def judged(mongo: MongoSettings, wanted: Mapping[Pair, RawBSONDocument]) -> Judgement:
    """Returns the differences of a database's facts from the expected ones."""
    client: MongoClient[dict[str, Any]]
    with MongoClient(**mongo_client(mongo)) as client:
        facts = client[mongo.database][FACTS.name].find(
            {}, {"_id": 0, "order_id": 1, "payment_id": 1}, batch_size=20_000
        )
        return judge(map(pair_of, facts), wanted)


def insert(mongo: MongoSettings, collection: str, documents: Sequence[RawBSONDocument]) -> float:
    """Inserts encoded facts, unordered; returns the seconds to the last answer.

    Args:
        mongo: the database.
        collection: where to; with the indexes of the pipeline's own.
        documents: with ``_id``s that are not there yet; a majority acknowledges each bulk.
    """
    client: MongoClient[Any]
    with MongoClient(**mongo_client(mongo)) as client, ThreadPoolExecutor(_WRITERS) as pool:
        concern = WriteConcern(w="majority", j=True)
        target = client[mongo.database].get_collection(collection, write_concern=concern)
        client.admin.command("ping")
        bulks = [documents[start : start + _BULK] for start in range(0, len(documents), _BULK)]
        began = time.perf_counter()
        for _ in pool.map(lambda bulk: target.insert_many(bulk, ordered=False), bulks):
            pass
        return time.perf_counter() - began
