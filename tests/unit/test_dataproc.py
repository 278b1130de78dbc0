"""A deployment by Google's own clients against servers that speak Google's protocols, in this process; no JVM."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import NoReturn
from unittest.mock import MagicMock

import grpc
import pytest
from google.api_core.exceptions import FailedPrecondition
from google.cloud import dataproc_v1 as dataproc
from structlog.testing import capture_logs

import tandem
from tandem.catalog import BUNDLED
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.job_files import RECONCILE, REPLAY, STREAM, replay_arguments, with_limits
from tandem.platforms import environment_for
from tandem.platforms.base import DeployedJob, ReloadableJob
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc import batch_runs
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.cluster import Cluster
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.costs import notes, requests_of_batch
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.environment import active_pipelines
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.dataproc.memory import with_memory
from tandem.platforms.dataproc.plan import calls, warnings
from tandem.platforms.dataproc.release import release
from tandem.platforms.dataproc.requests import (
    ACTIVE_BATCHES,
    SCOPE,
    batch_request,
    batches_parent,
    environment_filter,
    of_entry,
    submit_request,
)
from tandem.platforms.dataproc.run_problems import problem_of, state_of
from tandem.platforms.dataproc.runs import Runs
from tandem.scaffold import Format, write
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import DEPLOYER, BatchController, account_of, as_job
from tandem_rehearsal.cluster_controller import ClusterController
from tandem_rehearsal.job_controller import JobController
from tests.unit.test_replay import partition, span_of

# The tests' own Dataproc sets it, so that whatever a test loads finds it.
ADDRESS = "TANDEM_GCP__DATAPROC_ADDRESS"
# Nobody may listen there but the superuser.
NOWHERE = "127.0.0.1:1"
# A job without an end would write an event log without one.
NO_EVENT_LOG = {"spark.eventLog.enabled": "false"}
ACCOUNT = "tandem-job@some-project.iam.gserviceaccount.com"
CLOUD = {
    "kafka": {
        "bootstrap": "pkc-1.confluent.cloud:9092",
        "username": "key",
        "password": "env:KAFKA_SECRET",
        "job_password": "gsm:projects/some-project/secrets/kafka",
    },
    "mongo": {
        "uri": "mongodb+srv://cluster.example.mongodb.net/",
        "username": "job",
        "password": "env:MONGO_SECRET",
        "job_password": "gsm:projects/some-project/secrets/mongo",
    },
    "gcp": {
        "project": "some-project",
        "region": "europe-west3",
        "bucket": "some-bucket",
        "credentials": "none",
    },
}


def in_bucket(bucket: str, **gcp: object) -> Settings:
    return load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "bucket": bucket, **gcp}})


@dataclass
class Program:
    """A driver of our own: it ends with the next exit code that a test gives it."""

    codes: list[int]
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> int:
        if self.codes:
            return self.codes.pop(0)
        self.ended.wait(30)
        return 143

    def kill(self) -> None:
        self.ended.set()


@dataclass
class Server:
    """Dataproc, as far as a deployment uses it."""

    started: list[dataproc.Job] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    refusals: list[grpc.StatusCode] = field(default_factory=list)

    accounts: list[str] = field(default_factory=list)

    def of_cluster(self, job: dataproc.Job, _: dataproc.Cluster) -> Program:
        self.started.append(job)
        return Program(self.codes)

    def of_batch(self, batch: dataproc.Batch) -> Program:
        self.started.append(as_job(batch))
        self.accounts.append(account_of(batch))
        return Program(self.codes)


class Refusing(grpc.ServerInterceptor):
    """Refuses as many calls as it is told to, after they were carried out: their answers are lost."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def intercept_service(self, continuation, details):  # type: ignore[no-untyped-def]
        inner = continuation(details)

        def refuse(request, context):  # type: ignore[no-untyped-def]
            answer = inner.unary_unary(request, context)
            if self.server.refusals:
                context.abort(self.server.refusals.pop(0), "for this test")
            return answer

        return grpc.unary_unary_rpc_method_handler(refuse, inner.request_deserializer, inner.response_serializer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    clusters = ClusterController("some-project", "europe-west3")
    jobs = JobController("some-project", "europe-west3", clusters, state.of_cluster)
    batches = BatchController("some-project", "europe-west3", state.of_batch)
    with ThreadPoolExecutor(4) as pool:
        serving = grpc.server(pool, interceptors=[Refusing(state)])
        serving.add_generic_rpc_handlers((clusters.service(), jobs.service(), *batches.services()))
        monkeypatch.setenv(ADDRESS, f"127.0.0.1:{serving.add_insecure_port('127.0.0.1:0')}")
        serving.start()
        yield state
        jobs.stop()
        batches.stop()
        serving.stop(None).wait()


@pytest.fixture
def settings(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAFKA_SECRET", "hunter2")
    monkeypatch.setenv("MONGO_SECRET", "hunter3")
    return load("gcp", CLOUD)


class Marks:
    """A bucket that has only stop objects. No driver here looks for them, so a job is cancelled after the deadline."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.put_names: list[str] = []

    def put(self, name: str) -> None:
        self.names.add(name)
        self.put_names.append(name)

    def remove(self, name: str) -> None:
        self.names.discard(name)

    def exists(self, name: str) -> bool:
        return name in self.names


def test_what_is_submitted_is_the_file_that_every_platform_runs(settings: Settings) -> None:
    made = release(settings)
    root = Path(tandem.__file__).parent
    assert made.main.content == (root / "pipelines" / "orders_payments" / "join_stream.py").read_bytes()
    assert made.package.content is not None
    with zipfile.ZipFile(BytesIO(made.package.content)) as archive:
        names = set(archive.namelist())
        for name in names:
            assert archive.read(name) == (root.parent / name).read_bytes()
    assert {"tandem/__init__.py", "tandem/engine/run/job.py", "tandem/pipelines/orders_payments/transform.py"} <= names
    assert not [name for name in names if name.startswith(("tandem/platforms", "tandem/settings", "tandem/cli"))]


def test_a_pipeline_of_ones_own_is_brought_with_its_package(tmp_path: Path) -> None:
    own = tmp_path / "pipelines" / "mine"
    shutil.copytree(BUNDLED / "orders_payments", own, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pipelines" / "__init__.py").touch()
    made = release(load("gcp", {**CLOUD, "pipeline": "mine", "pipelines_dir": own.parent}))
    assert made.main.content == (own / "join_stream.py").read_bytes()
    assert made.package.content is not None
    with zipfile.ZipFile(BytesIO(made.package.content)) as archive:
        names = set(archive.namelist())
    assert {"tandem/engine/run/job.py", "pipelines/__init__.py", "pipelines/mine/transform.py"} <= names
    assert not [name for name in names if name.startswith("tandem/pipelines")]


def test_without_a_file_of_its_own_the_engines_is_submitted_with_the_package(tmp_path: Path) -> None:
    place = write("parcels", tmp_path / "submitted_pipelines")
    settings = load("gcp", {**CLOUD, "pipeline": "parcels", "pipelines_dir": place.folder.parent})
    made = release(settings)
    engine = Path(tandem.__file__).parent / "engine" / "submitted" / "job.py"
    assert (made.main.name, made.main.content) == ("job.py", engine.read_bytes())
    job = submit_request(settings, made, None).job
    assert list(job.pyspark_job.args)[2:4] == ["--pipeline", "submitted_pipelines.parcels"]
    assert job.labels["tandem-entry"] == "join-stream"
    with zipfile.ZipFile(BytesIO(made.package.content or b"")) as archive:
        assert "submitted_pipelines/parcels/__init__.py" in archive.namelist()


def test_the_package_alone_is_what_the_job_imports(settings: Settings, tmp_path: Path) -> None:
    content = release(settings).package.content
    assert content is not None
    (tmp_path / "tandem.zip").write_bytes(content)
    code = (
        "import sys; sys.path.insert(0, 'tandem.zip'); import tandem;"
        "import tandem.pipelines.orders_payments.join_stream as job; print(tandem.__file__, job.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("tandem.zip") == 2


def test_schemas_are_read_where_the_package_is_a_zip(tmp_path: Path) -> None:
    place = write("parcels", tmp_path / "zipped_pipelines", Format.AVRO)
    (place.folder / "schemas" / "parcels-value.v1.id7.json").write_text("{}")
    content = release(
        load("gcp", {**CLOUD, "pipeline": "parcels", "pipelines_dir": place.folder.parent})
    ).package.content
    assert content is not None
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "tandem.zip").write_bytes(content)
    code = (
        "import sys; sys.path.insert(0, 'tandem.zip'); import zipped_pipelines.parcels.transform as pipeline;"
        "print(pipeline.__file__, *(len(each.format.versions) for each in pipeline.PIPELINE.streams));"
        "from tandem.pipeline import JsonSchema;"
        "assert JsonSchema.registered(pipeline.__package__, topic='parcels').schema_ids == (7,)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "away", capture_output=True, text=True, check=True
    )
    assert "tandem.zip" in done.stdout
    assert done.stdout.endswith(" 1 1\n")


def test_a_release_is_named_by_its_content(settings: Settings) -> None:
    again, other = release(settings), release(load("gcp", {**CLOUD, "job": {"lateness_seconds": 1}}))
    assert again == release(settings)
    assert again.digest != other.digest
    assert (again.main, again.package, again.jars) == (other.main, other.package, other.jars)


def test_no_secret_and_no_path_of_this_machine_is_submitted(settings: Settings, tmp_path: Path) -> None:
    local = {**CLOUD, "kafka": {**CLOUD["kafka"], "ca": tmp_path / "ca.pem"}}
    settings = load("gcp", local)
    made = release(settings)
    plan = json.dumps([list(map(str, (call.about, call.method))) for call in calls(settings, made)])
    requests = (submit_request(settings, made, None), batch_request(settings, made, None))
    for text in (plan, str(made.config.content), *map(str, requests)):
        assert "hunter" not in text
        assert str(tmp_path) not in text
    assert "gsm:projects/some-project/secrets/kafka" in str(made.config.content)


@pytest.mark.parametrize(
    ("variables", "methods", "cost"),
    [
        ({}, {"CreateCluster", "SubmitJob"}, "cluster: 3 x n2-standard-4"),
        ({"TANDEM_GCP__SERVERLESS": "true"}, {"CreateBatch"}, "serverless: a driver and 2 executors"),
    ],
)
def test_the_plan_needs_no_login_and_no_settings(variables: dict[str, str], methods: set[str], cost: str) -> None:
    code = "import socket; socket.socket.connect = None; from tandem.cli.main import main; main()"
    arguments = ("deploy", "--plan", "--profile", "gcp", "--json")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"HOME": "/nowhere", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    plan = json.loads(done.stdout)
    planned = {call["method"] for call in plan["calls"]}
    assert {"CreateTopics", "GetSecretVersion", "ListJobs", "ListBatches"} <= planned
    assert planned & {"CreateCluster", "SubmitJob", "CreateBatch"} == methods
    assert "gcp.project" in plan["not_set"]
    assert any(line.startswith(cost) and "an hour" in line for line in plan["costs"])


def test_what_is_planned_is_what_is_sent(settings: Settings, server: Server) -> None:
    clients, made = Clients(settings.gcp), release(settings)
    cluster, jobs = Cluster(settings, clients.clusters), ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    planned = {call.method: call.about for call in calls(settings, made)}
    cluster.ensure()
    run = jobs.submit(made, None)
    found = cluster.find()
    assert found is not None
    assert found.config.software_config.image_version == "4.0-debian13"
    (job,) = server.started
    assert job.pyspark_job.main_python_file_uri == planned["SubmitJob"]["job"]["pysparkJob"]["mainPythonFileUri"]
    assert planned["SubmitJob"]["job"]["reference"]["jobId"] == run.id
    assert dict(job.pyspark_job.properties) == with_limits({**with_memory(settings), **NO_EVENT_LOG})
    for machines in (found.config.master_config, found.config.worker_config):
        assert (machines.disk_config.boot_disk_type, machines.disk_config.boot_disk_size_gb) == ("pd-balanced", 100)
    # Google removes temporary files from a bucket of its own, and not from ours.
    assert found.config.temp_bucket == ""


@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_the_plan_says_what_becomes_of_a_running_job(request: pytest.FixtureRequest, chosen: str) -> None:
    settings = request.getfixturevalue(chosen)
    end, submit = ("CancelOperation", "CreateBatch") if settings.gcp.serverless else ("CancelJob", "SubmitJob")
    planned = [(call.method, call.when) for call in calls(settings, release(settings))][-6:]
    assert planned == [
        ("objects.get", "if this release runs: whether it was asked to stop"),
        (
            "objects.insert",
            "if another release runs, or this one was asked to stop: it stops after its current batch",
        ),
        (end, "if it has not stopped after 300 s"),
        ("objects.delete", "when it has stopped"),
        ("objects.delete", "unless this release runs and was not asked to stop"),
        (submit, "unless this release runs and was not asked to stop"),
    ]


def test_the_plan_lists_the_streams_of_the_environment_first(settings: Settings) -> None:
    """They may write to the same topic or collection."""
    first = [(call.method, call.about["filter"]) for call in [*calls(settings, release(settings))][:2]]
    wanted = f"{environment_filter(settings)} AND {of_entry(STREAM)}"
    assert first == [("ListJobs", wanted), ("ListBatches", f"{ACTIVE_BATCHES} AND {wanted}")]


def test_answers_that_are_lost_submit_nothing_twice(settings: Settings, server: Server) -> None:
    clients, made = Clients(settings.gcp), release(settings)
    cluster, jobs = Cluster(settings, clients.clusters), ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    server.refusals = [grpc.StatusCode.UNAVAILABLE] * 2
    cluster.ensure()
    server.refusals = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    run = jobs.submit(made, None)
    assert jobs.submit(made, None).id == run.id
    newest = jobs.newest()
    assert newest is not None
    assert (newest.id, newest.release, len(server.started)) == (run.id, made.digest, 1)
    assert jobs.submit(made, run.id).id != run.id


def test_a_driver_that_fails_is_started_again_until_it_thrashes(settings: Settings, server: Server) -> None:
    server.codes = [1] * 4
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    run = jobs.submit(release(settings), None)
    jobs.await_end(run, 10)
    ended = jobs.get(run.id)
    assert (ended.state, len(server.started)) == ("failed", 4)
    assert "exit 1" in ended.details


@pytest.mark.parametrize(
    ("event", "cancelled", "state", "words"),
    [
        ("failed", False, "failed", "failed: the checkpoint is damaged"),
        # Between two attempts.
        ("failed", True, "stopped", None),
        ("stopped", False, "stopped", None),
        ("batch", True, "stopped", "was cancelled or reached its time limit"),
    ],
)
def test_a_job_that_must_not_be_restarted_ends_well_for_google_and_failed_for_status(
    settings: Settings, server: Server, event: str, cancelled: bool, state: str, words: str | None
) -> None:
    told = json.loads(release(settings).config.content or b"")
    assert told["final_exit_code"] == 0
    server.codes = [] if cancelled else [told["final_exit_code"]]
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    run = jobs.submit(release(settings), None)
    if cancelled:
        jobs.cancel(run)
    run = jobs.await_end(run, 10)
    newest = {"event": event, "error": "the checkpoint is damaged" if event == "failed" else None}
    assert (run.cancelled, state_of(run, newest), len(server.started)) == (cancelled, state, 1)
    problem = problem_of(run, newest)
    assert words in problem if words and problem else (words, problem) == (None, None)


def test_google_never_restarts_a_serverless_batch_so_its_code_is_shown(serverless: Settings) -> None:
    assert json.loads(release(serverless).config.content or b"")["final_exit_code"] == 4


def test_a_batch_is_not_taken_for_the_stream(settings: Settings, server: Server) -> None:
    server.codes = [0]
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    batch = jobs.submit(release(settings, "reconcile"), None)
    assert jobs.await_end(batch, 10).state == "stopped"
    stream = jobs.submit(release(settings), None)
    newest = jobs.newest()
    assert (newest and newest.id, jobs.newest("reconcile")) == (stream.id, jobs.get(batch.id))
    first, second = (job.pyspark_job for job in server.started)
    assert (first.main_python_file_uri.rpartition("/")[2], list(first.args)[0::2]) == (
        "batch.py",
        ["--config", "--pipeline", "--report"],
    )
    assert list(second.args)[0::2] == ["--config", "--stop-when"]


def test_a_job_that_does_not_stop_is_cancelled(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.runs.STOP_DEADLINE_S", 0.1)
    marks = Marks()
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    jobs = ClusterJobs(settings, clients.jobs, marks)  # type: ignore[arg-type]
    run = jobs.submit(release(settings), None)
    jobs.stop(run)
    assert jobs.get(run.id).state == "stopped"
    mark = f"tandem/orders_payments/stop/{run.id}"
    assert (marks.put_names, marks.names) == ([mark], set())


def test_a_job_is_not_cancelled_because_google_does_not_answer(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    run = jobs.submit(release(settings), None)
    with monkeypatch.context() as patched:
        patched.setattr("tandem.platforms.dataproc.calls.PATIENCE_S", 0.0)
        server.refusals.append(grpc.StatusCode.UNAVAILABLE)
        with pytest.raises(EnvironmentNotReadyError, match="looking at the job"):
            jobs.stop(run)
    assert jobs.get(run.id).state == "running"


def test_a_cluster_of_somebody_else_is_used_and_stays(settings: Settings, server: Server) -> None:
    client = Clients(settings.gcp).clusters
    cluster = Cluster(settings, client)
    machines = dataproc.GceClusterConfig(service_account_scopes=[SCOPE])
    config = dataproc.ClusterConfig(gce_cluster_config=machines)
    theirs = dataproc.Cluster(project_id="some-project", cluster_name="tandem", config=config)
    client.create_cluster(project_id="some-project", region="europe-west3", cluster=theirs)
    cluster.ensure()
    with capture_logs() as logged:
        assert cluster.delete() == "kept"
    assert [each["event"] for each in logged] == ["the cluster is kept, because this environment did not create it"]
    assert cluster.find() is not None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("project", "other-project", "is not allowed"), ("region", "europe-west4", "Region 'europe-west4' is invalid")],
)
def test_a_wrong_place_is_said_in_a_line(server: Server, settings: Settings, field: str, value: str, said: str) -> None:
    wrong = load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], field: value}})
    with pytest.raises(tandem.errors.TandemError, match=said) as refused:
        Cluster(wrong, Clients(wrong.gcp).clusters).ensure()
    assert "\n" not in str(refused.value)


def test_no_server_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.calls.PATIENCE_S", 0.2)
    nowhere = in_bucket("some-bucket", dataproc_address=NOWHERE)
    with pytest.raises(EnvironmentNotReadyError, match="looking for the cluster tandem failed, also after"):
        Cluster(nowhere, Clients(nowhere.gcp).clusters).find()


@pytest.fixture
def serverless(settings: Settings) -> Settings:
    return load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "serverless": True, "service_account": ACCOUNT}})


def batches_of(settings: Settings, marks: Marks) -> Batches:
    return Batches(settings, Clients(settings.gcp).batches, marks)  # type: ignore[arg-type]


def test_a_serverless_batch_has_the_runtimes_jars_and_lives_as_long_as_google_allows(serverless: Settings) -> None:
    made = release(serverless)
    request = batch_request(serverless, made, None)
    jars = {jar.rpartition("/")[2] for jar in request.batch.pyspark_batch.jar_file_uris}
    assert "spark-sql-kafka-0-10_2.13-4.0.0.jar" in jars
    assert request.batch.runtime_config.version == "3.0"
    assert request.batch.environment_config.execution_config.ttl.total_seconds() == 14 * 24 * 3600
    assert json.loads(made.config.content or b"")["log_levels"]["root"] == "WARN"


def test_a_serverless_batch_is_submitted_once_found_and_asked_to_stop(serverless: Settings, server: Server) -> None:
    marks, made = Marks(), release(serverless)
    batches = batches_of(serverless, marks)
    server.refusals = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    run = batches.submit(made, None)
    assert batches.submit(made, None).id == run.id
    newest = batches.newest()
    assert (newest and newest.id, newest and newest.release, len(server.started)) == (run.id, made.digest, 1)
    (job,) = server.started
    assert list(job.pyspark_job.args)[2:] == ["--stop-when", f"gs://some-bucket/tandem/orders_payments/stop/{run.id}"]
    planned = next(call.about for call in calls(serverless, made) if call.method == "CreateBatch")
    assert planned["batchId"] == run.id
    assert dict(job.pyspark_job.properties) == with_limits({**with_memory(serverless), **NO_EVENT_LOG})


def test_a_serverless_batch_that_does_not_stop_is_cancelled(
    serverless: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.runs.STOP_DEADLINE_S", 0.1)
    batches = batches_of(serverless, Marks())
    run = batches.submit(release(serverless), None)
    batches.stop(run)
    assert batches.get(run.id).state == "stopped"


def test_a_failed_serverless_batch_is_reported_and_not_restarted(serverless: Settings, server: Server) -> None:
    server.codes = [1]
    batches, made = batches_of(serverless, Marks()), release(serverless)
    run = batches.submit(made, None)
    ended = batches.await_end(run, 10)
    assert (ended.state, len(server.started)) == ("failed", 1)
    assert "exit code 1" in ended.details
    # To deploy it again is another batch, of the same release.
    assert batches.submit(made, run.id).id != run.id


@pytest.mark.parametrize("now_serverless", [True, False])
def test_a_pipeline_runs_in_one_of_the_services_only(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, now_serverless: bool
) -> None:
    without_services(monkeypatch)
    both = {each: in_bucket("some-bucket", serverless=each, service_account=ACCOUNT) for each in (True, False)}
    before = Deployment(both[not now_serverless])
    if before.cluster:
        before.cluster.ensure()
    run = before.jobs.submit(release(both[not now_serverless]), None)
    with pytest.raises(TandemError, match=f"the job {run.id} runs .*, and both would use its checkpoint") as refused:
        Deployment(both[now_serverless]).check_elsewhere()
    assert refused.value.hint == "first run `tandem destroy`"


def without_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the bucket and MongoDB; a driver that does not stop is cancelled at once."""

    def unreachable(_: Settings) -> NoReturn:
        raise EnvironmentNotReadyError("no MongoDB in this test", hint="")

    monkeypatch.setattr("tandem.platforms.dataproc.deploy.Bucket", lambda *_: Marks())
    monkeypatch.setattr("tandem.platforms.dataproc.job.progress_of", unreachable)
    monkeypatch.setattr("tandem.platforms.dataproc.runs.STOP_DEADLINE_S", 0.1)


@pytest.mark.parametrize("now_serverless", [True, False])
def test_a_job_is_shown_and_destroyed_after_the_settings_have_changed(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, now_serverless: bool
) -> None:
    without_services(monkeypatch)
    both = {each: in_bucket("some-bucket", serverless=each, service_account=ACCOUNT) for each in (True, False)}
    before = Deployment(both[not now_serverless])
    if before.cluster:
        before.cluster.ensure()
    run = before.jobs.submit(release(both[not now_serverless]), None)
    job = DataprocJob(both[now_serverless])
    shown = job.status()
    assert (shown["job"]["pid_or_id"], shown["job"]["state"]) == (run.id, before.jobs.get(run.id).state)
    assert f"gcp.serverless is {str(now_serverless).lower()} now; `tandem destroy` stops it" in shown["warnings"][0]
    assert job.stop()
    assert not before.jobs.get(run.id).active
    assert before.any_cluster.find() is None
    assert not job.stop()
    assert DataprocJob(both[not now_serverless]).status()["warnings"] == []


@pytest.mark.parametrize("now_serverless", [True, False])
def test_a_job_that_failed_is_shown_after_the_settings_have_changed(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, now_serverless: bool
) -> None:
    without_services(monkeypatch)
    both = {each: in_bucket("some-bucket", serverless=each, service_account=ACCOUNT) for each in (True, False)}
    server.codes = [0, 1, 1, 1, 1]
    for serverless in (now_serverless, not now_serverless):
        each = Deployment(both[serverless])
        each.any_cluster.ensure()
        run = each.jobs.submit(release(both[serverless]), None)
        each.jobs.await_end(run, 10)
    job = DataprocJob(both[now_serverless])
    shown = job.status()
    assert (shown["job"]["state"], shown["warnings"]) == ("failed", [])
    assert f"the job {run.id} failed" in (job.problem() or "")
    # A newer one of the chosen service comes first again.
    newer = job.deployment.jobs.submit(release(both[now_serverless]), "an earlier one")
    job.deployment.jobs.cancel(newer)
    job.deployment.jobs.await_end(newer, 10)
    assert job.status()["job"]["state"] == "stopped"


@pytest.mark.parametrize("now_serverless", [True, False])
def test_a_batch_of_the_other_service_is_joined_or_refused(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, now_serverless: bool
) -> None:
    without_services(monkeypatch)
    monkeypatch.setattr(Deployment, "upload", lambda *_: None)
    both = {each: in_bucket("some-bucket", serverless=each, service_account=ACCOUNT) for each in (True, False)}
    before = Deployment(both[not now_serverless])
    before.any_cluster.ensure()
    span = span_of(partition(), into="v2")
    made = [release(both[not now_serverless], entry) for entry in (RECONCILE, REPLAY)]
    made[1] = replace(made[1], arguments=replay_arguments(span))
    runs = [before.jobs.submit(each, None) for each in made]
    now = Deployment(both[now_serverless])
    with pytest.raises(TandemError, match=f"the replay {runs[1].id} is running"):
        batch_runs.replay(now, both[now_serverless], ChangesSoFar(), span)
    awaited: list[str] = []
    monkeypatch.setattr(Runs, "await_end", lambda _, run, __: awaited.append(run.id))
    service, _ = batch_runs.reconcile(now, both[now_serverless], ChangesSoFar())
    assert (awaited, type(service), len(server.started)) == ([runs[0].id], type(before.jobs), 2)


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Marks:
    """The bucket of every deployment, which has no other services to wait for."""
    without_services(monkeypatch)
    marks = Marks()
    monkeypatch.setattr("tandem.platforms.dataproc.deploy.Bucket", lambda *_: marks)
    for name in ("create_topics", "check_rights", "create_collections"):
        monkeypatch.setattr(f"tandem.platforms.dataproc.deploy.{name}", lambda *_: None)
    for name in ("check", "doubt", "_fetch_jars", "upload"):
        monkeypatch.setattr(Deployment, name, lambda *_: None)
    return marks


CREATED = "topics, collections and uploads may have been created"
RUNS = "the cluster tandem runs, which costs money"
COSTS = "jobs and the cluster tandem may still run, which costs money"


@pytest.mark.parametrize(
    ("running", "method", "left"),
    [
        (True, "check", "nothing was changed"),
        (True, "upload", f"no job was stopped or submitted; {CREATED}"),
        (
            True,
            "cluster.ensure",
            "no job was stopped or submitted; the cluster tandem may have been created, which costs money; " + CREATED,
        ),
        (
            True,
            "jobs.stop",
            f"the job OLD was asked to stop, and nothing replaces it; {RUNS}; {CREATED}",
        ),
        (
            True,
            "jobs.submit",
            f"the job OLD has stopped, and it is unknown whether another one was submitted; {RUNS}; {CREATED}",
        ),
        (False, "jobs.submit", f"it is unknown whether a job was submitted; {RUNS}; {CREATED}"),
    ],
)
def test_an_interrupted_deployment_knows_what_it_has_changed(
    settings: Settings,
    server: Server,
    marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
    running: bool,
    method: str,
    left: str,
) -> None:
    job = DataprocJob(settings)
    deployment = job.deployment
    deployment.any_cluster.ensure()
    old = deployment.jobs.submit(release(settings), None).id if running else ""
    *path, name = method.split(".")
    monkeypatch.setattr(getattr(deployment, path[0]) if path else deployment, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.restart()
    job.close()
    assert str(job.changes) == left.replace("OLD", old)


def test_an_interrupted_serverless_deployment_says_that_a_job_costs_money(
    serverless: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = DataprocJob(serverless)
    monkeypatch.setattr(job.deployment.jobs, "submit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.submit()
    job.close()
    costs = "a serverless job costs money as long as it runs"
    assert str(job.changes) == f"it is unknown whether a job was submitted; {costs}; {CREATED}"


@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_a_rehearsal_that_does_not_end_speaks_of_no_costs(
    request: pytest.FixtureRequest, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """The code of the cloud runs against stand-ins."""
    monkeypatch.setattr("tandem.platforms.dataproc.runs.STOP_DEADLINE_S", 0.1)
    settings = request.getfixturevalue(chosen).model_copy(update={"backend": "rehearsal"})
    with capture_logs() as logged:
        Deployment(settings).any_cluster.ensure()
    left = [str(each) for each in logged]
    for owner, method, command in (
        (Cluster, "ensure", "submit"),
        (Runs, "await_end", "reconcile"),
        (Deployment, "check_earlier", "stop"),
        (Cluster, "delete", "stop"),
    ):
        job = DataprocJob(settings)
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr(owner, method, interrupt)
            getattr(job, command)()
        left.append(str(job.changes))
    assert [each for each in left if "cost" in each] == []


def test_a_deployment_knows_its_job_until_it_runs(
    settings: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr("tandem.platforms.dataproc.deploy.work_shown", lambda what: nullcontext(steps.append(what)))
    job = DataprocJob(settings)
    job.submit()
    assert steps[2:] == ["creating topics and collections", "uploading"]
    run = job.deployment.jobs.newest()
    assert run is not None
    assert job.changes.job == f"the job {run.id} was submitted, and it is not known yet whether it works"
    job.submit()
    assert job.changes.job == f"the job {run.id} runs this version already, and was left alone"
    # The first batch is committed.
    monkeypatch.setattr("tandem.platforms.dataproc.job.progress_of", lambda _: nullcontext(MagicMock()))
    monkeypatch.setattr(DataprocJob, "_committed", lambda *_: True)
    job.wait_until_ready()
    assert job.changes.job == f"the job {run.id} runs"


@pytest.mark.parametrize("command", ["restart", "stop"])
@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_a_job_that_an_interrupted_command_has_asked_to_stop_is_replaced(
    request: pytest.FixtureRequest,
    server: Server,
    marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    chosen: str,
) -> None:
    settings = request.getfixturevalue(chosen)
    DataprocJob(settings).submit()
    with monkeypatch.context() as patched:
        patched.setattr(Runs, "await_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            getattr(DataprocJob(settings), command)()
    old = Deployment(settings).jobs.newest()
    assert old is not None
    # It still runs, and obeys after its current batch.
    assert (old.state, marks.names) == ("running", {f"tandem/orders_payments/stop/{old.id}"})
    again = DataprocJob(settings)
    again.submit()
    new = again.deployment.jobs.newest()
    assert new is not None
    assert (new.id != old.id, new.release, again.deployment.jobs.get(old.id).active) == (True, old.release, False)
    assert marks.names == set()


def test_a_job_that_is_being_cancelled_is_replaced(
    settings: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = DataprocJob(settings)
    job.submit()
    run = job.deployment.jobs.newest()
    assert run is not None
    stopped: list[str] = []
    monkeypatch.setattr(ClusterJobs, "newest", lambda *_: replace(run, state="stopping"))
    monkeypatch.setattr(ClusterJobs, "stop", lambda _, each: stopped.append(each.id))
    job.submit()
    assert stopped == [run.id]


@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_a_new_job_does_not_obey_what_an_earlier_one_of_its_name_was_asked(
    request: pytest.FixtureRequest, server: Server, marks: Marks, chosen: str
) -> None:
    settings = request.getfixturevalue(chosen)
    # Dataproc has forgotten it, for example a stand-in that was started again.
    made = release(settings)
    request_of = {"settings": submit_request, "serverless": batch_request}[chosen](settings, made, None)
    name = request_of.batch_id if chosen == "serverless" else request_of.job.reference.job_id
    marks.put(f"tandem/orders_payments/stop/{name}")
    job = DataprocJob(settings)
    job.submit()
    run = job.deployment.jobs.newest()
    assert (run and run.id, marks.names) == (name, set())


@pytest.mark.parametrize(
    ("method", "left"),
    [
        ("check_earlier", f"no job was stopped or submitted; {COSTS}"),
        ("jobs.stop", f"the job ID was asked to stop; {COSTS}"),
        ("cluster.delete", "the job ID has stopped; the cluster tandem may still exist, which costs money"),
        ("bucket.remove_all", "the job ID has stopped; the cluster tandem is deleted; its data may be deleted in part"),
    ],
)
def test_an_interrupted_destroy_knows_what_it_has_changed(
    settings: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch, method: str, left: str
) -> None:
    job = DataprocJob(settings)
    job.deployment.any_cluster.ensure()
    run = job.deployment.jobs.submit(release(settings), None)
    *path, name = method.split(".")
    owner = {"jobs": job.deployment.jobs, "cluster": Cluster, "bucket": Marks}[path[0]] if path else job.deployment
    monkeypatch.setattr(owner, name, interrupt, raising=name != "remove_all")
    with pytest.raises(KeyboardInterrupt):
        _ = [job.stop(), *job.forget()]
    assert str(job.changes) == left.replace("ID", run.id)


def test_a_deployment_whose_job_fails_knows_that_none_runs(
    settings: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.job.progress_of", lambda _: nullcontext(MagicMock()))
    server.codes = [1] * 4
    job = DataprocJob(settings)
    with pytest.raises(EnvironmentNotReadyError):
        job.restart()
    run = job.deployment.jobs.newest()
    assert run is not None
    assert str(job.changes) == f"the job {run.id} has ended, and nothing replaces it; {RUNS}; {CREATED}"


@pytest.mark.parametrize("entry", [RECONCILE, REPLAY])
@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_a_command_knows_its_batch_until_it_has_ended(
    request: pytest.FixtureRequest,
    server: Server,
    marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
    chosen: str,
    entry: str,
) -> None:
    settings = request.getfixturevalue(chosen)
    monkeypatch.setattr(DataprocJob, "_report_of", lambda *_: {})
    job = DataprocJob(settings)
    job.deployment.any_cluster.ensure()
    work = {RECONCILE: job.reconcile, REPLAY: lambda: job.replay(span_of(partition(), into="v2"))}[entry]
    name = {RECONCILE: "the reconciliation", REPLAY: "the replay"}[entry]
    for owner, method in ((job.deployment.jobs, "submit"), (Runs, "await_end")):
        assert str(job.changes) == "nothing was changed"
        with monkeypatch.context() as patched:
            patched.setattr(owner, method, interrupt)
            with pytest.raises(KeyboardInterrupt):
                work()
        if method == "submit":
            assert str(job.changes) == f"it is unknown whether {name} was submitted"
            job.changes.batch = ""
    run = job.deployment.jobs.newest(entry)
    assert run is not None
    cancel = "batches cancel" if chosen == "serverless" else "jobs kill"
    place = "--region=europe-west3 --project=some-project"
    assert str(job.changes) == (
        f"{name} {run.id} continues, which costs money; `gcloud dataproc {cancel} {run.id} {place}` ends it"
    )
    job.deployment.jobs.cancel(run)
    job.deployment.jobs.await_end(run, 10)
    server.codes = [0]
    work()
    assert not job.changes


@pytest.mark.parametrize("entry", [RECONCILE, REPLAY])
@pytest.mark.parametrize("now_serverless", [True, False])
@pytest.mark.parametrize("was_serverless", [True, False])
def test_destroy_cancels_a_batch_of_its_pipeline_only(
    server: Server,
    settings: Settings,
    marks: Marks,
    entry: str,
    now_serverless: bool,
    was_serverless: bool,
) -> None:
    both = {each: in_bucket("some-bucket", serverless=each, service_account=ACCOUNT) for each in (True, False)}
    before = both[was_serverless]
    pipeline = before.model_copy(update={"pipeline": "segment_revenue"})
    environment = in_bucket("other-bucket", serverless=was_serverless, service_account=ACCOUNT)
    Deployment(before).any_cluster.ensure()
    mine, *others = [
        Deployment(each).jobs.submit(release(each, entry), None) for each in (before, pipeline, environment)
    ]
    job = DataprocJob(both[now_serverless])
    with capture_logs() as logged:
        assert job.stop()
    jobs = Deployment(before).jobs
    assert [jobs.get(each.id).state for each in (mine, *others)] == ["stopped", "running", "running"]
    said = [each for each in logged if each.get("job") == mine.id]
    name = {RECONCILE: "reconciliation", REPLAY: "replay"}[entry]
    assert [(each["log_level"], each["event"]) for each in said] == [
        ("warning", f"the {name} is cancelled; it is safe to run it again")
    ]
    assert job.changes.batch == f"the {name} {mine.id} has been cancelled"
    assert "no job was stopped" not in str(job.changes)
    # The others have kept the cluster.
    assert (job.deployment.any_cluster.find() is None) == was_serverless


@pytest.mark.parametrize("service", [ClusterJobs, Batches])
def test_destroy_waits_for_a_batch_that_is_being_cancelled(
    settings: Settings, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch, service: type[Runs]
) -> None:
    job = DataprocJob(settings)
    job.deployment.any_cluster.ensure()
    run = replace(job.deployment.jobs.submit(release(settings, REPLAY), None), state="stopping")
    awaited: list[str] = []
    monkeypatch.setattr(service, "active_batches", lambda _: [run])
    monkeypatch.setattr(service, "cancel", MagicMock(side_effect=AssertionError))
    monkeypatch.setattr(service, "await_end", lambda _, each, __: awaited.append(each.id))
    job.stop()
    assert awaited == [run.id]


@pytest.mark.parametrize("chosen", ["settings", "serverless"])
def test_a_run_that_has_ended_before_it_is_cancelled_is_no_error(
    request: pytest.FixtureRequest, server: Server, marks: Marks, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    settings = request.getfixturevalue(chosen)
    deployment = Deployment(settings)
    deployment.any_cluster.ensure()
    server.codes = [0]
    ended = deployment.jobs.submit(release(settings, REPLAY), None)
    deployment.jobs.await_end(ended, 10)
    deployment.jobs.end(replace(ended, state="running"))
    # A refusal to cancel one that runs is an error.
    running = deployment.jobs.submit(release(settings, REPLAY), ended.id)
    monkeypatch.setattr(type(deployment.jobs), "cancel", MagicMock(side_effect=FailedPrecondition("refused")))
    with pytest.raises(TandemError, match=f"cancelling the job {running.id} failed"):
        deployment.jobs.end(running)


@pytest.mark.parametrize(
    ("others", "environment", "left"),
    [
        (["other"], "tandem", "the cluster tandem is kept because other jobs run on it, which costs money"),
        ([], "theirs", "the cluster tandem is kept, which costs money"),
        ([], "tandem", "the cluster tandem is deleted"),
        ([], None, "the cluster tandem does not exist"),
    ],
)
def test_a_destroyed_job_knows_what_became_of_its_cluster(
    settings: Settings,
    server: Server,
    marks: Marks,
    monkeypatch: pytest.MonkeyPatch,
    others: list[str],
    environment: str | None,
    left: str,
) -> None:
    job = DataprocJob(settings)
    if environment:
        creator = settings.model_copy(update={"environment": environment})
        Cluster(creator, Clients(settings.gcp).clusters).ensure()
    monkeypatch.setattr(ClusterJobs, "others_on_cluster", lambda _: others)
    job.stop()
    assert job.changes.cluster == left


@pytest.mark.parametrize(
    ("field", "value", "error", "said"),
    [
        ("project", "other-project", EnvironmentNotReadyError, "is not allowed"),
        ("region", "europe-west4", TandemError, "Region 'europe-west4' is invalid"),
    ],
)
def test_a_wrong_place_is_known_before_anything_is_created(
    server: Server, settings: Settings, field: str, value: str, error: type[TandemError], said: str
) -> None:
    wrong = load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], field: value}})
    with pytest.raises(error, match=said):
        Deployment(wrong).check_elsewhere()


def test_a_disabled_api_is_reported_with_the_command_that_enables_it(settings: Settings) -> None:
    from google.api_core.exceptions import PermissionDenied

    said = (
        "Cloud Dataproc API has not been used in project 123 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/dataproc.googleapis.com/overview?project=123 then retry."
    )

    def refuse() -> None:
        raise PermissionDenied(said)

    with pytest.raises(EnvironmentNotReadyError, match=r"does not use dataproc\.googleapis\.com yet") as refused:
        call("listing the jobs", refuse)
    assert refused.value.hint == "`gcloud services enable dataproc.googleapis.com`"


def test_a_region_without_an_address_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.calls.PATIENCE_S", 0.2)
    nowhere = load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "dataproc_address": "nowhere.invalid:443"}})
    with pytest.raises(EnvironmentNotReadyError, match=r"listing the batches failed: .*nowhere\.invalid") as refused:
        Deployment(nowhere).check_elsewhere()
    assert "gcp.region" in refused.value.hint


def test_what_pipelines_share_stays_for_those_that_are_left(settings: Settings, server: Server) -> None:
    other = load("gcp", {**CLOUD, "pipeline": "segment_revenue"})
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    Cluster(other, clients.clusters).ensure()
    runs = [
        ClusterJobs(each, clients.jobs, Marks()).submit(release(each), None)  # type: ignore[arg-type]
        for each in (settings, other)
    ]
    jobs = ClusterJobs(settings, clients.jobs, Marks())  # type: ignore[arg-type]
    both = [jobs, Batches(settings, clients.batches, Marks())]  # type: ignore[arg-type]
    assert active_pipelines(both) == ["orders_payments", "segment_revenue"]
    assert jobs.others_on_cluster() == [runs[1].id]
    clients.jobs.cancel_job(project_id="some-project", region="europe-west3", job_id=runs[1].id)
    ClusterJobs(other, clients.jobs, Marks()).await_end(runs[1], 10)  # type: ignore[arg-type]
    assert active_pipelines(both) == ["orders_payments"]
    assert jobs.others_on_cluster() == []
    # Whoever is last deletes it, also when the other one's deployment has created it.
    assert Cluster(other, clients.clusters).delete() == "deleted"


@pytest.mark.parametrize(
    ("profile", "local"), [("embedded", True), ("local", True), ("rehearsal", False), ("gcp", False)]
)
def test_a_job_here_reloads_and_a_job_in_the_cloud_is_forgotten_alone(profile: str, local: bool) -> None:
    settings = load(profile, CLOUD if profile == "gcp" else None)
    job = environment_for(settings).job(settings)
    assert (isinstance(job, ReloadableJob), isinstance(job, DeployedJob)) == (local, not local)


@pytest.mark.parametrize("apart", [("other-bucket", "tandem"), ("some-bucket", "tandem-staging")])
@pytest.mark.parametrize("serverless", [False, True])
def test_environments_in_one_project_and_region_do_not_see_each_others_jobs(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch, serverless: bool, apart: tuple[str, str]
) -> None:
    without_services(monkeypatch)
    google = {"serverless": serverless, "service_account": ACCOUNT, "cluster": "tandem"}
    both = [
        in_bucket(bucket, **google).model_copy(update={"environment": name})
        for bucket, name in (("some-bucket", "tandem"), apart)
    ]
    ours, theirs = map(Deployment, both)
    for each in (ours, theirs):
        if each.cluster:
            each.cluster.ensure()
    run = theirs.jobs.submit(release(both[1]), None)
    assert ours.jobs.newest() is None
    assert ours.jobs.active_streams() == []
    assert [each.id for each in theirs.jobs.active_streams()] == [run.id]
    own = ours.jobs.submit(release(both[0]), None)
    newest = [each.newest() for each in (ours.jobs, theirs.jobs)]
    assert [each and each.id for each in newest] == [own.id, run.id]
    if not serverless:
        assert (ours.jobs.others_on_cluster(), theirs.jobs.others_on_cluster()) == ([run.id], [own.id])


def test_a_job_of_another_environment_is_not_stopped(settings: Settings, server: Server) -> None:
    clients, marks = Clients(settings.gcp), Marks()
    Cluster(settings, clients.clusters).ensure()
    other = in_bucket("other-bucket")
    run = ClusterJobs(other, clients.jobs, Marks()).submit(release(other), None)  # type: ignore[arg-type]
    jobs = ClusterJobs(settings, clients.jobs, marks)  # type: ignore[arg-type]
    with pytest.raises(TandemError, match="belongs to another pipeline or environment and is left alone"):
        jobs.stop(run)
    assert (jobs.get(run.id).active, marks.put_names) == (True, [])


def test_a_cluster_of_another_environment_is_used_and_stays(settings: Settings, server: Server) -> None:
    clients = Clients(settings.gcp)
    theirs, ours = (Cluster(each, clients.clusters) for each in (in_bucket("other-bucket"), settings))
    theirs.ensure()
    ours.ensure()
    assert ours.delete() == "kept"
    assert theirs.delete() == "deleted"
    assert theirs.delete() == "absent"


@pytest.mark.parametrize("wrong", ["labels.tandem", "cluster = tandem", "labels.tandem = a OR labels.tandem = b"])
def test_a_filter_that_google_refuses_is_refused(settings: Settings, server: Server, wrong: str) -> None:
    from google.api_core.exceptions import InvalidArgument

    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    ClusterJobs(settings, clients.jobs, Marks()).submit(release(settings), None)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="Invalid list filter"):
        clients.jobs.list_jobs({"project_id": "some-project", "region": "europe-west3", "filter": wrong})


def test_a_serverless_batch_acts_as_the_service_account(serverless: Settings, server: Server) -> None:
    batches_of(serverless, Marks()).submit(release(serverless), None)
    assert server.accounts == [ACCOUNT]


def test_a_batch_without_an_account_acts_as_its_creator(serverless: Settings, server: Server) -> None:
    request = batch_request(serverless, release(serverless), None)
    request.batch.environment_config.execution_config.authentication_config = dataproc.AuthenticationConfig()
    server.codes = [0]
    Clients(serverless.gcp).batches.create_batch(request=request)
    batches_of(serverless, Marks()).await_end(batches_of(serverless, Marks()).get(request.batch_id), 10)
    assert server.accounts == [DEPLOYER]


def test_a_serverless_batch_needs_an_account(settings: Settings, server: Server) -> None:
    none = in_bucket("some-bucket", serverless=True)
    with pytest.raises(UsageError, match=r"setting gcp\.service_account of profile gcp") as refused:
        DataprocJob(none).submit()
    assert "TANDEM_GCP__SERVICE_ACCOUNT" in str(refused.value)
    with pytest.raises(TandemError, match="needs a custom service account"):
        batches_of(none, Marks()).submit(release(none), None)


def test_a_serverless_batch_has_its_output_in_a_log_only(serverless: Settings, server: Server) -> None:
    batches = batches_of(serverless, Marks())
    run = batches.submit(release(serverless), None)
    assert run.output == ""
    found = Clients(serverless.gcp).batches.get_batch(name=f"{batches_parent(serverless)}/batches/{run.id}")
    assert found.environment_config.execution_config.staging_bucket == ""


def test_the_plan_counts_disks_logs_and_what_a_bucket_keeps(settings: Settings) -> None:
    told = "\n".join(notes(settings))
    assert "disks: 3 x 100 GB pd-balanced: $30 a month" in told
    assert "bucket: $0.02 a month for each GiB; with soft delete" in told
    assert "Cloud Logging: about 0.4 GiB a month" in told
    for each in (settings, in_bucket("some-bucket", serverless=True, service_account=ACCOUNT)):
        assert "not counted: Cloud NAT with its address and traffic, Secret Manager" in list(notes(each))
    other = in_bucket("some-bucket", disk_type="hyperdisk-balanced")
    assert "hyperdisk-balanced: not counted" in "\n".join(notes(other))


@pytest.mark.parametrize(
    ("serverless", "spark", "changes"),
    [
        (False, {}, 18 + 4 * 12),
        (False, {"spark.sql.shuffle.partitions": "8"}, 18 + 8 * 12),
        # Its Spark has four state stores in a partition of a join.
        (True, {}, 18 + 4 * 4 * 12),
    ],
)
def test_the_plan_counts_the_requests_of_each_state_store(
    settings: Settings, serverless: bool, spark: dict[str, str], changes: int
) -> None:
    settings = load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "serverless": serverless}, "spark": spark})
    assert requests_of_batch(settings).changes == changes
    assert f"checkpoint: about {changes} writes and lists and" in "\n".join(notes(settings))


def test_the_costs_of_a_serverless_batch_follow_its_memory(settings: Settings) -> None:
    def dcu(**spark: str) -> str:
        own = {f"spark.executor.{name}": value for name, value in spark.items()}
        serverless = load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "serverless": True}, "spark": own})
        return next(notes(serverless))

    # A driver of 4 vCPU and 13.1 GiB, and two executors of 4 vCPU and 11.5 GiB.
    assert dcu().startswith("serverless: a driver and 2 executors of 4 vCPU, 10.8 DCU: about $0.65 an hour")
    assert dcu(memory="20g").startswith("serverless: a driver and 2 executors of 4 vCPU, 12.9 DCU: about $0.78 an hour")
    assert "8 vCPU, 15.7 DCU" in dcu(cores="8")


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({}, ["gcp.service_account", "gcp.subnetwork"]),
        ({"subnetwork": "tandem"}, ["gcp.service_account"]),
        ({"service_account": ACCOUNT, "subnetwork": "tandem"}, []),
    ],
)
def test_the_plan_warns_of_what_google_would_choose(own: dict[str, str], named: list[str]) -> None:
    told = list(warnings(in_bucket("some-bucket", **own)))
    assert [each.partition(" is not set: ")[0] for each in told] == named
    assert not list(warnings(load("rehearsal")))


def test_a_machine_of_ones_own_size_is_counted_by_its_processors() -> None:
    told = "\n".join(notes(in_bucket("some-bucket", machine="n2-custom-4-16384")))
    assert "cluster: 3 x n2-custom-4-16384, 12 vCPU: about $0.70 an hour" in told
