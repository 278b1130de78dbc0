"""Prepares the pipeline before its job starts, in the one-shot container ``setup``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from pymongo.errors import PyMongoError

from tandem.catalog import PipelineLocation
from tandem.errors import EnvironmentNotReadyError, run_program
from tandem.job_files import RECONCILE, STREAM, for_batch, submitted, write_job_files
from tandem.platforms.provision import create_collections, create_topics, indexes_of, streams_of
from tandem.platforms.replica_set import become_primary
from tandem.settings.load import load_one
from tandem.settings.model import Settings
from tandem.waiting import wait_for

_DEADLINE_S = 90.0
# The class path of every Spark process in the image; a Java archive is valid only for this one.
_JARS = "/opt/tandem/jars/*"
# In the driver's container; its health check (compose/spark/job.sh) reads it.
FAILURE_FILE = "/tmp/tandem-failure"  # noqa: S108  # the container has no other user
# Created with the image (images/train.py). Java ignores it if it does not fit, as it only speeds up the start.
_CACHE = "-XX:AOTCache=/opt/tandem/aot/spark.aot -Xlog:aot=off,cds=off"


_BATCH = {
    "spark.driver.extraClassPath": _JARS,
    "spark.driver.defaultJavaOptions": _CACHE,
    "spark.sql.warehouse.dir": "file:///tmp/warehouse",
    "spark.local.dir": "/scratch",
}


def prepare(settings: Settings, conf: Path, checkpoint: str, driver: str = "job") -> None:
    """Prepares MongoDB, Kafka and the driver's files.

    MongoDB becomes a replica set; topics, indexes and collections are created.

    Args:
        settings: the settings inside the containers.
        conf: the folder for the driver's files.
        checkpoint: a URI that driver and executors share.
        driver: the name of the driver's container in the network.

    Raises:
        EnvironmentNotReadyError: Kafka or MongoDB refused or did not answer.
    """
    address = settings.mongo.uri.removeprefix("mongodb://").partition("/")[0]
    hint = "`docker compose logs mongo`"
    wait_for(
        "MongoDB's primary",
        lambda: become_primary(address),
        deadline_s=_DEADLINE_S,
        hint=hint,
        retry_on=(PyMongoError,),
        interval_s=0.2,
    )
    create_collections(settings.mongo, indexes_of(settings.location))
    hint = "`docker compose logs kafka`"
    wait_for(
        "Kafka",
        lambda: create_topics(settings.kafka, *streams_of(settings.location)),
        deadline_s=_DEADLINE_S,
        hint=hint,
        # On a busy machine, Kafka may start slower than one try waits.
        retry_on=(EnvironmentNotReadyError,),
    )
    conf.mkdir(exist_ok=True)
    spark = _spark(settings, driver)
    write_job_files(conf, settings, checkpoint=checkpoint, spark=spark, failure_file=FAILURE_FILE)
    write_submitted(conf, settings.location, STREAM)
    batch = conf / "batch"
    batch.mkdir(exist_ok=True)
    write_job_files(batch, for_batch(settings), checkpoint=checkpoint, spark=_BATCH)
    write_submitted(batch, settings.location, RECONCILE)


def write_submitted(folder: Path, location: PipelineLocation, entry: str) -> None:
    """Writes the submitted file and its arguments.

    The compose files cannot know them.
    """
    what = submitted(location, entry)
    shutil.copy(what.file, folder / "submitted.py")
    (folder / "arguments").write_text("\n".join(what.command(folder)[1:]) + "\n", "utf-8")


def _spark(settings: Settings, driver: str) -> dict[str, str]:
    return {
        "spark.master": "spark://spark-master:7077",
        "spark.driver.host": driver,
        "spark.driver.port": "7078",
        "spark.blockManager.port": "7079",
        "spark.driver.extraClassPath": _JARS,
        "spark.executor.extraClassPath": _JARS,
        "spark.driver.defaultJavaOptions": _CACHE,
        "spark.executor.defaultJavaOptions": _CACHE,
        "spark.ui.port": "4040",
        "spark.sql.warehouse.dir": "file:///tmp/warehouse",
        "spark.eventLog.enabled": str(settings.ui.event_log).lower(),
        "spark.eventLog.dir": "file:///events",
    }


def main() -> None:
    """Prepares the start of a driver."""
    parser = argparse.ArgumentParser(prog="python -m tandem.platforms.compose.setup", description=__doc__)
    parser.add_argument("--conf", type=Path, required=True, help="the folder for the driver's files")
    parser.add_argument("--checkpoint", required=True, help="a URI that driver and executors share")
    parser.add_argument("--driver", default="job", help="the name of the driver's container in the network")
    arguments = parser.parse_args()
    prepare(load_one(), arguments.conf, arguments.checkpoint, arguments.driver)


if __name__ == "__main__":
    raise SystemExit(run_program(main))
