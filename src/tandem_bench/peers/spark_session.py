"""Spark alone: a session that starts and counts one row, with the job's settings.

It reads and writes nothing.

Prints one JSON object: ``at``, when it had counted, in seconds since the epoch.
"""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession


def main() -> None:
    """Starts a session and counts."""
    spark = SparkSession.builder.appName("tandem bench session").getOrCreate()
    spark.range(1).count()
    sys.stdout.write(json.dumps({"at": time.time()}) + "\n")
    spark.stop()


if __name__ == "__main__":
    main()
