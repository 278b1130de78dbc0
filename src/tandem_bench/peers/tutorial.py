"""The design of the tutorials: united topics, and state in Python.

An order waits for one payment. A second order is ignored. A payment before its order is dropped, and so is an order
after a quarter of an hour. Repeated payments are not recognised, and facts have no ``_id`` of their own, so a fact may
be written twice.

``drain`` prints one JSON object: the seconds of each round, the first with a cold Java. ``follow`` prints one object
when it has begun, and continues.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout

_TIMEOUT_MS = 15 * 60 * 1000
# All values are text until they are written: the year 2999 or an amount of 2^63 - 1 would end the query in pandas.
_ORDER = "order_id string, order_date string, created_at string, customer_id string, amount string"
_PAYMENT = "payment_id string, order_id string, payment_date string, created_at string, amount string"
_STATE = "order_date string, created_at string, customer_id string, order_amount string"
_FACT = f"order_id string, {_STATE}, payment_id string, payment_date string, payment_amount string"
_DATES, _AMOUNTS = ("order_date", "created_at", "payment_date"), ("order_amount", "payment_amount")


def match(key: tuple[str], frames: Iterator[Any], state: GroupState) -> Iterator[Any]:
    """Yields one frame of facts for an order's new records."""
    import pandas

    if state.hasTimedOut:
        state.remove()
        return
    facts = []
    for frame in frames:
        for row in frame.itertuples(index=False):
            if row.kind == "order":
                if not state.exists:
                    state.update((row.date, row.created_at, row.customer_id, row.amount))
                    state.setTimeoutDuration(_TIMEOUT_MS)
            elif state.exists:
                facts.append((*key, *state.get, row.payment_id, row.date, row.amount))
                state.remove()
    yield pandas.DataFrame(facts, columns=[field.split()[0] for field in _FACT.split(", ")])


def united(spark: SparkSession, options: argparse.Namespace, bootstrap: str, offsets: str) -> DataFrame:
    """Returns both topics in one schema."""

    def read(topic: str, schema: str) -> DataFrame:
        records = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", bootstrap)
            .option("subscribe", topic)
            .option("startingOffsets", offsets)
            .load()
        )
        return records.select(F.from_json(F.col("value").cast("string"), schema).alias("r")).select("r.*")

    nothing = F.lit(None).cast("string")
    orders = read(options.orders, _ORDER).select(
        F.lit("order").alias("kind"),
        "order_id",
        F.col("order_date").alias("date"),
        "created_at",
        "customer_id",
        "amount",
        nothing.alias("payment_id"),
    )
    payments = read(options.payments, _PAYMENT).select(
        F.lit("payment").alias("kind"),
        "order_id",
        F.col("payment_date").alias("date"),
        "created_at",
        nothing.alias("customer_id"),
        "amount",
        "payment_id",
    )
    return orders.unionByName(payments)


def start(rows: DataFrame, options: argparse.Namespace, uri: str, name: str) -> StreamingQuery:
    """Returns the running query; ``name`` is that of its checkpoint and its database."""
    matched = rows.groupBy("order_id").applyInPandasWithState(
        match, _FACT, _STATE, "append", GroupStateTimeout.ProcessingTimeTimeout
    )
    return (
        matched.withColumns({name: F.try_to_timestamp(name) for name in _DATES})
        .withColumns({name: F.col(name).try_cast("bigint") for name in _AMOUNTS})
        .writeStream.format("mongodb")
        .outputMode("append")
        .option("connection.uri", uri)
        .option("database", name)
        .option("collection", options.collection)
        .option("checkpointLocation", f"{options.checkpoints}/{name}")
        .start()
    )


def drain(query: StreamingQuery, ends: dict[str, dict[str, int]]) -> None:
    """Stops the query once it has committed all records up to ``ends``.

    Returns when it has ended.

    The query cannot end by itself, because its timeouts by the clock always wait for another batch.
    """
    while query.isActive:
        progress = query.lastProgress
        if progress is not None:
            reached = [json.loads(source.endOffset) for source in progress.sources]
            if all(offsets == ends[topic] for source in reached for topic, offsets in source.items()):
                query.stop()
                return
        time.sleep(0.02)
    query.awaitTermination()


def main() -> None:
    """Drains or follows the topics."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("mode", choices=("drain", "follow"))
    arguments.add_argument("--config", type=Path, required=True)
    for name in ("--orders", "--payments", "--collection", "--checkpoints"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--ends", help="JSON: the offset behind the last record by topic and partition; to drain")
    arguments.add_argument("--databases", nargs="+", required=True, help="one for each round")
    options = arguments.parse_args()
    config = json.loads(options.config.read_text("utf-8"))
    spark = SparkSession.builder.appName("tutorial").getOrCreate()
    if options.mode == "drain":
        seconds = []
        for database in options.databases:
            began = time.perf_counter()
            rows = united(spark, options, config["kafka"]["bootstrap"], "earliest")
            drain(start(rows, options, config["mongo"]["uri"], database), json.loads(options.ends))
            seconds.append(time.perf_counter() - began)
        sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")
        spark.stop()
        return
    rows = united(spark, options, config["kafka"]["bootstrap"], "latest")
    query = start(rows, options, config["mongo"]["uri"], options.databases[0])
    while query.lastProgress is None and query.isActive:
        time.sleep(0.1)
    sys.stdout.write(json.dumps({"following": query.isActive}) + "\n")
    sys.stdout.flush()
    query.awaitTermination()


if __name__ == "__main__":
    main()
