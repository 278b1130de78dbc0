"""Google on this machine: Dataproc and the APIs that a job needs.

``python -m tandem_rehearsal.google_apis --settings FILE``; SIGTERM and SIGINT end the drivers and then this.
"""

from __future__ import annotations

import argparse
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from tandem.artifacts import ensure_jars
from tandem.local_spark.java import find_java
from tandem.pipeline_registry import handed_on
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.requests import environment_of, label_of
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import BatchController
from tandem_rehearsal.cloud_logging import CloudLogging
from tandem_rehearsal.cluster_controller import ClusterController
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.driver_machines import DriverMachines
from tandem_rehearsal.driver_runner import DriverRunner
from tandem_rehearsal.image import write_image
from tandem_rehearsal.job_controller import JobController
from tandem_rehearsal.project_api import ProjectApi
from tandem_rehearsal.secret_manager import server
from tandem_rehearsal.services import layout_of

_THREADS = 8


def serve(settings: Settings) -> None:
    """Serves until a signal stops it."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    google, layout, credentials = settings.gcp, layout_of(settings), Credentials(settings.home)
    java = find_java(settings.java_home, runtimes().minimum_java)
    (connector,) = ensure_jars(settings.cache_dir, java.program, ("rehearsal",))["rehearsal"]
    image = write_image(layout.conf, settings, credentials, connector, layout.scratch)
    runner = DriverRunner(layout, java, image, settings.cache_dir, (label_of(settings), environment_of(settings)))
    runner.end_leftovers()
    place = (google.project or "", google.region or "")
    clusters = ClusterController(*place)
    logs = CloudLogging(place[0])
    machines = DriverMachines(place[1], runner, Clients(google).storage, logs)
    jobs = JobController(*place, clusters, machines.of_cluster)
    batches = BatchController(*place, machines.of_batch)
    readers = {google.service_account or ""}
    port = (google.rehearsal_port or 0) + 2
    secrets = server(port, ProjectApi(*place), credentials.secrets, readers, runner.account_at)
    threading.Thread(target=secrets.serve_forever, daemon=True).start()
    dataproc = grpc.server(ThreadPoolExecutor(_THREADS))
    dataproc.add_generic_rpc_handlers((clusters.service(), jobs.service(), *batches.services(), logs.service()))
    dataproc.add_insecure_port(google.dataproc_address)
    dataproc.start()
    stopping.wait()
    dataproc.stop(None).wait()
    jobs.stop()
    batches.stop()
    secrets.shutdown()


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tandem_rehearsal.google_apis", description="Serves the stand-ins for Google."
    )
    parser.add_argument("--settings", type=Path, required=True, help="a file with all settings")
    serve(handed_on(parser.parse_args().settings))


if __name__ == "__main__":
    main()
