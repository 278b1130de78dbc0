"""Google on this machine, in one process: Dataproc, Secret Manager, the metadata server and the project's APIs.

``python -m tandem_rehearsal.google_apis --settings FILE``; SIGTERM and SIGINT end the drivers and then this.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
from google.cloud.dataproc_v1 import Job
from google.cloud.storage import Bucket

from tandem.artifacts import ensure_jars
from tandem.local_spark.java import find_java
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.requests import label_of
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import BatchController
from tandem_rehearsal.cluster_controller import ClusterController
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.driver_runner import DriverRunner
from tandem_rehearsal.image import write_image
from tandem_rehearsal.job_controller import DriverHandle, JobController
from tandem_rehearsal.project_api import ProjectApi
from tandem_rehearsal.secret_manager import server
from tandem_rehearsal.services import layout_of

_THREADS = 8
_LISTED = ("offsets", "commits")


def serve(settings: Settings) -> None:
    """Serves until a signal stops it."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    google, layout, credentials = settings.gcp, layout_of(settings), Credentials(settings.home)
    java = find_java(settings.java_home, runtimes().minimum_java)
    (connector,) = ensure_jars(settings.cache_dir, java.program, ("rehearsal",))["rehearsal"]
    image = write_image(layout.conf, settings, credentials, connector, layout.scratch)
    bucket = Clients(google).storage.bucket(google.bucket)
    runner = DriverRunner(layout, java, image, bucket, settings.cache_dir, label_of(settings))
    runner.end_leftovers()
    place = (google.project or "", google.region or "")
    clusters = ClusterController(*place)
    jobs = JobController(*place, clusters, partial(runner.launch, runtime=runtimes().default), runner.output)

    def serverless(job: Job) -> DriverHandle:
        keep_folders(bucket, job)
        return runner.launch(job, runtimes().serverless)

    batches = BatchController(*place, serverless, runner.output)
    secrets = server((google.rehearsal_port or 0) + 2, ProjectApi(*place), credentials.secrets)
    threading.Thread(target=secrets.serve_forever, daemon=True).start()
    dataproc = grpc.server(ThreadPoolExecutor(_THREADS))
    dataproc.add_generic_rpc_handlers((clusters.service(), jobs.service(), *batches.services()))
    dataproc.add_insecure_port(google.dataproc_address)
    dataproc.start()
    stopping.wait()
    dataproc.stop(None).wait()
    jobs.stop()
    batches.stop()
    secrets.shutdown()


def keep_folders(bucket: Bucket, job: Job) -> None:
    """Writes a hidden object into each checkpoint folder that Spark lists before it writes there.

    The storage stand-in loses empty folders, which an older Spark lists.

    Args:
        bucket: the bucket with the job's configuration and checkpoint.
        job: the job to run.
    """
    arguments = list(job.pyspark_job.args)
    config = _name(bucket, arguments[arguments.index("--config") + 1])
    checkpoint = _name(bucket, json.loads(bucket.blob(config).download_as_bytes())["checkpoint"])
    for folder in _LISTED:
        bucket.blob(f"{checkpoint}/{folder}/.kept").upload_from_string(b"")


def _name(bucket: Bucket, uri: str) -> str:
    return uri.removeprefix(f"gs://{bucket.name}/")


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tandem_rehearsal.google_apis", description="Serves the stand-ins for Google."
    )
    parser.add_argument("--settings", type=Path, required=True, help="a file with all settings")
    serve(Settings.model_validate_json(parser.parse_args().settings.read_text("utf-8")))


if __name__ == "__main__":
    main()
