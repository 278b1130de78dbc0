"""Runs the real job once while the image is built, so that Java can keep what it learned: its ahead-of-time cache.

A driver in local mode loads the classes of drivers and executors alike, so one cache serves both. It is valid for
exactly this image: its Java, its jars and their order.
"""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from pymongo.errors import PyMongoError

from tandem.platforms.compose.setup import prepare
from tandem.platforms.observe import has_committed, lag_of
from tandem.platforms.progress import ProgressReader
from tandem.platforms.provision import streams_of
from tandem.producer.api import produce
from tandem.producer.record_plan import Plan
from tandem.settings.load import load
from tandem.waiting import NotYetError, wait_for

CACHE = Path("/opt/tandem/aot/spark.aot")
WORK = Path("/train")
HINT = "the output above says why"


def main() -> None:
    """Leaves the cache at its place; where there is no mongod for this processor, an empty folder."""
    CACHE.parent.mkdir()
    if not Path("/usr/local/bin/mongod").exists():
        return
    options = f"-XX:+UseParallelGC -XX:AOTCacheOutput={CACHE}"
    spark = {
        "spark.master": "local[2]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.defaultJavaOptions": "",
        "spark.driver.extraJavaOptions": options,
    }
    settings = load("local", {"spark": spark})
    for name in ("mongo", "conf", "checkpoint"):
        (WORK / name).mkdir(parents=True)
    start("bash", "/etc/tandem/start.sh", HOST_PORT=str(settings.kafka.port))
    start("mongod", "--replSet=rs0", "--bind_ip=127.0.0.1", f"--dbpath={WORK}/mongo", "--quiet", "--nounixsocket")
    prepare(settings, WORK / "conf", f"file://{WORK}/checkpoint")
    job = start(
        "/opt/spark-venv/bin/python",
        f"{WORK}/conf/submitted.py",
        f"@{WORK}/conf/arguments",
        PYSPARK_SUBMIT_ARGS=f"--properties-file {WORK}/conf/spark.conf pyspark-shell",
        # Without this, each lookup of the builder's own host name fails after seconds.
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_HOSTNAME="localhost",
    )
    reader = ProgressReader(settings.mongo, settings.pipeline)

    def drained(rows: int) -> None:
        newest = reader.newest()
        if not (
            has_committed(settings, newest) and newest["input_rows_total"] >= rows and not lag_of(settings, newest)
        ):
            raise NotYetError("the job has not read it all")

    # The first set is one large batch; the second set runs the code for small batches.
    rows = 0
    for seed, count in ((1, 10_000), (2, 500)):
        plan = Plan(seed=seed, count=count, start=Plan.settled_start() - timedelta(days=3 - seed))
        names = [stream.name for stream in streams_of(settings.location)[0]]
        summaries = produce(names, plan, profile="local", variables=os.environ)
        rows += sum(summary.total() for summary in summaries.values())
        wait_for("the job", lambda rows=rows: drained(rows), deadline_s=240, hint=HINT, retry_on=(PyMongoError,))
    job.send_signal(signal.SIGTERM)
    wait_for("Java to write its cache", lambda: written(job), deadline_s=300, hint=HINT)


def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
    """Starts a program whose output is the build's."""
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=sys.stderr)


def written(job: subprocess.Popen[bytes]) -> None:
    """Returns when the job's Java, which outlives its Python to write the cache, has ended."""
    busy = [file for file in Path("/proc").glob("[0-9]*/cmdline") if str(CACHE).encode() in read(file)]
    if job.poll() is None or busy or not CACHE.is_file():
        raise NotYetError("it is still at it")


def read(file: Path) -> bytes:
    """Returns a file of /proc, nothing when its process has ended."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
