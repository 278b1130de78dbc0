"""Fills a state of RocksDB in a Spark of its own, and prints what RocksDB uses.

A process has one bound for all of RocksDB, fixed by its first query, so each measurement needs a process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql.functions import col, concat, lit, sha2

ROUNDS, ROWS = 6, 60_000


def main(folder: Path, settings: dict[str, str]) -> None:
    """Runs the query, and prints the most memory that RocksDB has used, in MiB."""
    builder = SparkSession.Builder().master("local[2]").config("spark.driver.memory", "1g")
    spark = builder.config(map=settings).config("spark.ui.enabled", "false").getOrCreate()
    for number in range(ROUNDS):
        rows = spark.range(number * ROWS, (number + 1) * ROWS, 1, 2).select("id", *map(_incompressible, range(6)))
        rows.write.parquet(str(folder / "records" / str(number)))
    stream = spark.readStream.schema(rows.schema).option("maxFilesPerTrigger", 2).parquet(f"{folder}/records/*")
    writer = stream.dropDuplicates().writeStream.format("noop").option("checkpointLocation", f"{folder}/checkpoint")
    query = writer.trigger(availableNow=True).start()
    query.awaitTermination()
    used = [_rocksdb(progress) for progress in query.recentProgress]
    sys.stdout.write(f"{max(used)}\n")


def _incompressible(number: int) -> Column:
    return sha2(concat(col("id").cast("string"), lit(str(number))), 512).alias(f"text{number}")


def _rocksdb(progress: Any) -> float:
    """Returns what RocksDB uses after a batch, in MiB."""
    return float(sum(each["memoryUsedBytes"] for each in progress["stateOperators"])) / 2**20


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
