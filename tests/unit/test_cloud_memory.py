"""An executor's memory adds up to what its container has; the stand-ins end one that may use more."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import dataproc_v1 as dataproc

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.cluster import Cluster
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.machine_type import MachineType, machine_type_of
from tandem.platforms.dataproc.memory import Executor, executor_of, note, with_memory
from tandem.platforms.dataproc.release import release
from tandem.platforms.dataproc.requests import SCOPE, batch_request, submit_request
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import BatchController
from tandem_rehearsal.cluster_controller import ClusterController
from tandem_rehearsal.job_controller import JobController
from tests.unit.test_dataproc import ACCOUNT, ADDRESS, CLOUD, Marks, Program

PLACE = ("some-project", "europe-west3")
HEAP, OVERHEAD, CORES = "spark.executor.memory", "spark.executor.memoryOverhead", "spark.executor.cores"
BOUNDED = "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage"
BOUND = "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB"
OPTIONS = "spark.executor.extraJavaOptions"


def settings_of(spark: dict[str, str] | None = None, **google: Any) -> Settings:
    gcp = {**CLOUD["gcp"], "service_account": ACCOUNT, **google}
    return load("gcp", {**CLOUD, "gcp": gcp, "spark": spark or {}})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    clusters = ClusterController(*PLACE)
    jobs = JobController(*PLACE, clusters, lambda *_: Program([0]))
    batches = BatchController(*PLACE, lambda _: Program([0]))
    with ThreadPoolExecutor(4) as pool:
        serving = grpc.server(pool)
        serving.add_generic_rpc_handlers((clusters.service(), jobs.service(), *batches.services()))
        monkeypatch.setenv(ADDRESS, f"127.0.0.1:{serving.add_insecure_port('127.0.0.1:0')}")
        serving.start()
        yield
        jobs.stop()
        batches.stop()
        serving.stop(None).wait()


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("n2-standard-4", MachineType(4, 4 * 3840)),
        ("n2-highmem-8", MachineType(8, 8 * 6656)),
        ("c3-highcpu-22", MachineType(22, 22 * 921)),
        ("c3-standard-4-lssd", MachineType(4, 4 * 3840)),
        ("n2-custom-4-16384", MachineType(4, 16384)),
        ("custom-2-8192", MachineType(2, 8192)),
        ("n2-custom-4-65536-ext", MachineType(4, 65536)),
        ("e2-medium", None),
    ],
)
def test_a_type_of_machine_says_its_size(name: str, machine: MachineType | None) -> None:
    assert machine_type_of(name) == machine


def test_two_executors_and_an_application_master_fit_on_a_worker() -> None:
    settings = settings_of()
    executor = executor_of(settings)
    assert executor == Executor(cores=2, heap=3072, rocksdb=512, overhead=2048)
    # Java itself, direct buffers, and RocksDB's bound twice.
    assert executor.overhead == 768 + executor.direct + 2 * executor.rocksdb
    assert 2 * executor.container + 1024 <= 0.75 * 15 * 1024
    assert note(settings) == (
        "memory of an executor: 3072 MiB of heap, 768 for Java itself, 256 of direct buffers and 2 x 512 for RocksDB, "
        "together 5120 MiB; a worker (n2-standard-4) has room for 2"
    )


@pytest.mark.parametrize(
    ("instances", "workers", "started"), [("4", 2, None), ("5", 2, 4), ("3", 0, 2), ("5", 3, None)]
)
def test_the_plan_says_how_many_executors_would_start(instances: str, workers: int, started: int | None) -> None:
    said = note(settings_of({"spark.executor.instances": instances}, workers=workers))
    short = f", so only {started} of {instances} executors would start: raise gcp.workers"
    assert said.endswith(short if started else "has room for 2")


@pytest.mark.parametrize(
    ("spark", "google", "expected"),
    [
        ({BOUND: "256"}, {}, Executor(2, 3584, 256, 1536)),
        ({OVERHEAD: "3g"}, {}, Executor(2, 2048, 512, 3072)),
        ({HEAP: "8g"}, {}, Executor(2, 8192, 512, 2048)),
        ({CORES: "4", HEAP: "8064m"}, {}, Executor(4, 8064, 512, 2176)),
        ({}, {"machine": "n2-standard-8"}, Executor(4, 8064, 512, 2176)),
        ({}, {"machine": "n2-custom-4-32768"}, Executor(2, 9216, 512, 2048)),
        ({HEAP: "2g"}, {"machine": "n2-standard-2"}, Executor(1, 2048, 512, 1984)),
        ({}, {"serverless": True}, Executor(4, 9600, 512, 2176)),
        ({CORES: "8", HEAP: "40g"}, {"serverless": True}, Executor(8, 40960, 512, 2432)),
    ],
)
def test_an_executor_follows_the_settings(spark: dict[str, str], google: dict[str, Any], expected: Executor) -> None:
    settings = settings_of(spark, **google)
    assert executor_of(settings) == expected
    sent = with_memory(settings)
    assert (sent[HEAP], sent[OVERHEAD]) == (f"{expected.heap}m", f"{expected.overhead}m")
    assert sent[OPTIONS].endswith(f"-XX:MaxDirectMemorySize={expected.direct}m")


def test_state_in_the_heap_needs_no_memory_for_rocksdb() -> None:
    heap = "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider"
    executor = executor_of(settings_of({"spark.sql.streaming.stateStore.providerClass": heap}))
    assert executor == Executor(2, 4096, 0, 1024)


@pytest.mark.parametrize(
    ("spark", "google", "said"),
    [
        ({HEAP: "12g"}, {}, r"12288 \+ 2048 MiB does not fit into a n2-standard-4"),
        ({OVERHEAD: "384m"}, {}, "Java needs 768, direct buffers 256 and RocksDB 1024 MiB"),
        ({BOUND: "1024"}, {"machine": "n2-standard-2"}, "leaves an executor 0 MiB of heap"),
        ({}, {"machine": "n2-standard-2"}, "leaves an executor 64 MiB of heap"),
        ({}, {"machine": "e2-medium"}, "the memory of gcp.machine 'e2-medium' is unknown"),
        ({BOUNDED: "false"}, {}, "RocksDB's memory has no bound"),
        ({BOUND: "-1"}, {}, "maxMemoryUsageMB is '-1'"),
        ({OVERHEAD: "much"}, {}, "spark.executor.memoryOverhead is 'much'"),
        ({CORES: "2"}, {"serverless": True}, "spark.executor.cores is 2"),
        ({HEAP: "30g"}, {"serverless": True}, "outside of Google's limits for a serverless batch: 4096 to 29696 MiB"),
        ({HEAP: "1g"}, {"serverless": True}, "outside of Google's limits"),
    ],
)
def test_an_executor_that_does_not_fit_is_refused(spark: dict[str, str], google: dict[str, Any], said: str) -> None:
    settings = settings_of(spark, **google)
    with pytest.raises(UsageError, match=said):
        executor_of(settings)
    # Before anything is asked or created.
    with pytest.raises(UsageError, match=said):
        Deployment(settings).check()


def test_the_plan_refuses_an_executor_that_does_not_fit() -> None:
    planned = subprocess.run(
        [sys.executable, "-m", "tandem", "--profile", "gcp", "deploy", "--plan"],
        env={"HOME": "/nowhere", "TANDEM_SPARK": '{"spark.executor.memory": "12g"}'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert planned.returncode == 2
    assert "does not fit into a n2-standard-4" in planned.stderr


# What requests had, and what follows from it. Without a limit, direct buffers may be as large as the heap.
FORMER = [
    ({OVERHEAD: None}, "Container killed"),
    ({BOUNDED: "false"}, "Container killed by YARN for exceeding physical memory limits. inf MB"),
    ({OPTIONS: ""}, "Container killed"),
    ({HEAP: "12g"}, "is above the max threshold"),
    ({}, None),
]


@pytest.mark.parametrize(("changed", "said"), FORMER)
def test_the_stand_in_ends_executors_that_may_use_more_than_their_container(
    server: None, changed: dict[str, str | None], said: str | None
) -> None:
    settings = settings_of()
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    request = submit_request(settings, release(settings), None)
    request.job.pyspark_job.properties = _changed(dict(request.job.pyspark_job.properties), changed)
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    clients.jobs.submit_job(request=request)
    ended = jobs.await_end(jobs.get(request.job.reference.job_id), 10)
    assert ended.state == ("failed" if said else "stopped")
    assert (said or "") in ended.details


@pytest.mark.parametrize(
    ("changed", "said"), [({OPTIONS: ""}, "Container killed"), ({BOUNDED: "false"}, "Container killed"), ({}, None)]
)
def test_the_stand_in_ends_such_executors_of_a_serverless_batch(
    server: None, changed: dict[str, str | None], said: str | None
) -> None:
    settings = settings_of(serverless=True)
    clients = Clients(settings.gcp)
    request = batch_request(settings, release(settings), None)
    request.batch.runtime_config.properties = _changed(dict(request.batch.runtime_config.properties), changed)
    clients.batches.create_batch(request=request)
    batches = Batches(settings, clients.batches, Marks())  # type: ignore[arg-type]
    ended = batches.await_end(batches.get(request.batch_id), 10)
    assert ended.state == ("failed" if said else "stopped")
    assert (said or "") in ended.details


@pytest.mark.parametrize(
    ("changed", "said"), [({CORES: "2"}, "is not one of 4, 8, 16"), ({HEAP: "512m"}, "must be between 1024m and 7424m")]
)
def test_the_stand_in_refuses_executors_that_google_does_not_offer(
    server: None, changed: dict[str, str | None], said: str
) -> None:
    settings = settings_of(serverless=True)
    request = batch_request(settings, release(settings), None)
    request.batch.runtime_config.properties = _changed(dict(request.batch.runtime_config.properties), changed)
    with pytest.raises(InvalidArgument, match=said):
        Clients(settings.gcp).batches.create_batch(request=request)


@pytest.mark.parametrize(("machine", "refused"), [("n2-standard-2", True), ("n2-standard-8", False)])
def test_a_cluster_with_smaller_workers_is_refused(server: None, machine: str, refused: bool) -> None:
    settings = settings_of()
    workers = dataproc.InstanceGroupConfig(num_instances=2, machine_type_uri=f"zones/a/machineTypes/{machine}")
    access = dataproc.GceClusterConfig(service_account_scopes=[SCOPE])
    config = dataproc.ClusterConfig(worker_config=workers, gce_cluster_config=access)
    theirs = dataproc.Cluster(project_id=PLACE[0], cluster_name="tandem", config=config)
    client = Clients(settings.gcp).clusters
    client.create_cluster(project_id=PLACE[0], region=PLACE[1], cluster=theirs)
    if not refused:
        Cluster(settings, client).check()
        return
    with pytest.raises(EnvironmentNotReadyError, match="are n2-standard-2, but executors are sized for") as told:
        Cluster(settings, client).check()
    assert told.value.hint == "set TANDEM_GCP__MACHINE=n2-standard-2"


def _changed(properties: dict[str, str], changed: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**properties, **changed}.items() if value is not None}
