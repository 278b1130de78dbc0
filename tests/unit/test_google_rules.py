"""Requests keep Google's documented rules, which the stand-in checks; what is near a limit is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import grpc
import pytest
from google.api_core.exceptions import FailedPrecondition, InvalidArgument
from google.cloud import dataproc_v1 as dataproc
from google.protobuf.json_format import MessageToDict

from tandem.catalog import is_name
from tandem.cli import inspect
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.cluster import Cluster
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.doctor import checks as checks_of
from tandem.platforms.dataproc.environment import DataprocEnvironment, active_pipelines
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.dataproc.release import release
from tandem.platforms.dataproc.requests import (
    ENTRY_LABEL,
    LABEL,
    RELEASE_LABEL,
    SCOPE,
    batch_request,
    cluster_request,
    label_of,
    label_value,
    name_of,
    submit_request,
)
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.run_problems import few_restarts, problem_of
from tandem.platforms.dataproc.runs import Runs
from tandem.scaffold import write
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import BatchController
from tandem_rehearsal.cluster_controller import ClusterController
from tandem_rehearsal.job_controller import JobController
from tests.unit.test_dataproc import ACCOUNT, ADDRESS, CLOUD, NOWHERE, Marks, Program

PLACE = ("some-project", "europe-west3")


@dataclass
class Server:
    """Dataproc with a small quota, and the exit codes of its drivers."""

    codes: list[int] = field(default_factory=list)
    jobs: Any = None
    clusters: Any = None

    def of_cluster(self, _job: dataproc.Job, _cluster: dataproc.Cluster) -> Program:
        return Program(self.codes)

    def of_batch(self, _: dataproc.Batch) -> Program:
        return Program(self.codes)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    clusters = state.clusters = ClusterController(*PLACE, cpus=12)
    jobs = state.jobs = JobController(*PLACE, clusters, state.of_cluster)
    batches = BatchController(*PLACE, state.of_batch)
    with ThreadPoolExecutor(4) as pool:
        serving = grpc.server(pool)
        serving.add_generic_rpc_handlers((clusters.service(), jobs.service(), *batches.services()))
        monkeypatch.setenv(ADDRESS, f"127.0.0.1:{serving.add_insecure_port('127.0.0.1:0')}")
        serving.start()
        yield state
        jobs.stop()
        batches.stop()
        serving.stop(None).wait()


def settings_of(**google: Any) -> Settings:
    return load("gcp", {**CLOUD, "gcp": {**CLOUD["gcp"], "service_account": ACCOUNT, **google}})


@pytest.fixture
def settings(server: Server) -> Settings:
    return settings_of()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the checks of a deployment that ask Dataproc."""
    monkeypatch.setattr(Bucket, "check", lambda _: None)
    monkeypatch.setattr(Deployment, "check_secrets", lambda _: [])


def jobs_of(settings: Settings) -> ClusterJobs:
    return ClusterJobs(settings, Clients(settings.gcp).jobs, Marks())  # type: ignore[arg-type]


def no_mongo(_: Settings) -> None:
    """Answers instead of MongoDB's client."""
    raise TandemError("MongoDB did not answer", hint="try again")


def batches_of(settings: Settings) -> Batches:
    return Batches(settings, Clients(settings.gcp).batches, Marks())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Größe", "größe", "Orders", "_own", "own_", "1st", "import", "a" * 64, "a-b", "a.b"])
def test_a_name_that_google_would_refuse_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    own = tmp_path / "pipelines" / name
    own.mkdir(parents=True)
    (own / "transform.py").touch()
    for profile in ("embedded", "gcp"):
        with pytest.raises(UsageError, match="has a name that a pipeline cannot have") as told:
            load(profile, {**CLOUD, "pipeline": name, "pipelines_dir": own.parent})
        assert told.value.hint.startswith("rename it: lower-case letters, digits and _")
    with pytest.raises(UsageError, match="not a valid name for a pipeline"):
        write(name, tmp_path / "others")


@pytest.mark.parametrize("name", ["orders_payments", "a", "a1", "a__b", "a" * 63])
def test_a_label_is_valid_and_leads_back_to_the_name(name: str) -> None:
    assert is_name(name)
    assert "_" not in label_value(name)
    assert name_of(label_value(name)) == name


@pytest.mark.parametrize("labels", [{"tandem": "orders_payments"}, {"tandem": "1a"}, {"Tandem": "a"}, {"tandem": "a-"}])
def test_the_stand_in_refuses_other_labels(server: Server, settings: Settings, labels: dict[str, str]) -> None:
    request = cluster_request(settings)
    request.cluster.labels = labels
    with pytest.raises(InvalidArgument, match="Invalid label"):
        Clients(settings.gcp).clusters.create_cluster(request=request)


def test_a_pipeline_with_the_longest_name_can_be_deployed(server: Server, tmp_path: Path) -> None:
    place = write("p" * 63, tmp_path / "long_pipelines")
    own = {"pipeline": "p" * 63, "pipelines_dir": place.folder.parent}
    settings = settings_of().model_copy(update={"pipeline": own["pipeline"], "location": place})
    serverless = settings.model_copy(update={"gcp": settings_of(serverless=True).gcp})
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    for entry in ("join_stream", "reconcile", "replay"):
        made = release(settings, entry)
        assert jobs_of(settings).submit(made, None).entry == label_value(entry)
        assert batches_of(serverless).submit(release(serverless, entry), None).pipeline == "p" * 63


@pytest.mark.parametrize("text", ["labels.tandem=a OR labels.tandem=b", "state = RUNNING", "name = a", "tandem"])
def test_the_stand_in_refuses_filters_that_google_does_not_document(
    server: Server, settings: Settings, text: str
) -> None:
    client = Clients(settings.gcp).jobs
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    jobs_of(settings).submit(release(settings), None)
    with pytest.raises(InvalidArgument, match="Invalid list filter"):
        list(client.list_jobs(request={"project_id": PLACE[0], "region": PLACE[1], "filter": text}))


@pytest.mark.parametrize("serverless", [False, True])
def test_runs_are_filtered_by_google(server: Server, monkeypatch: pytest.MonkeyPatch, serverless: bool) -> None:
    settings, other = settings_of(serverless=serverless), load("gcp", {**CLOUD, "pipeline": "segment_revenue"})
    other = other.model_copy(update={"gcp": settings.gcp})
    if not serverless:
        Cluster(settings, Clients(settings.gcp).clusters).ensure()
    runs = {each.pipeline: (batches_of if serverless else jobs_of)(each) for each in (settings, other)}
    server.codes = [0]
    first = runs["orders_payments"].submit(release(settings), None)
    runs["orders_payments"].await_end(first, 10)
    second = runs["orders_payments"].submit(release(settings), first.id)
    runs["orders_payments"].submit(release(settings, "reconcile"), None)
    theirs = runs["segment_revenue"].submit(release(other), None)

    got: list[str] = []
    kind = type(runs["orders_payments"])
    everything = kind.listed

    def counting(self: Runs, wanted: str) -> list[Run]:
        found = list(everything(self, wanted))  # type: ignore[arg-type]
        got.extend(run.id for run in found)
        return found

    monkeypatch.setattr(kind, "listed", counting)
    newest = runs["orders_payments"].newest()
    assert (newest and newest.id, got) == (second.id, [second.id])
    got.clear()
    assert active_pipelines([runs["orders_payments"]]) == ["orders_payments", "segment_revenue"]
    # Google's filter for active jobs would leave out one that waits for its restart.
    ended = [] if serverless else [first.id]
    assert sorted(got) == sorted([*ended, second.id, theirs.id])


@pytest.mark.parametrize("serverless", [False, True])
@pytest.mark.parametrize("labels", [{}, {LABEL: "orders-payments", ENTRY_LABEL: "join-stream"}])
def test_a_job_of_an_earlier_version_is_found_by_its_configuration(
    server: Server, checks: None, serverless: bool, labels: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.job.progress_of", no_mongo)
    settings = settings_of()
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    if serverless:
        batch = batch_request(settings_of(serverless=True), release(settings), None)
        batch.batch.labels = labels
        clients.batches.create_batch(request=batch)
        running, end = batch.batch_id, "batches cancel"
    else:
        job = submit_request(settings, release(settings), None)
        job.job.labels = labels
        clients.jobs.submit_job(request=job)
        running, end = job.job.reference.job_id, "jobs kill"
    for now in (settings, settings_of(serverless=True)):
        with pytest.raises(TandemError, match=f"the job {running} of an earlier version of Tandem runs on") as told:
            Deployment(now).check()
        assert (
            told.value.hint
            == f"stop it first: `gcloud dataproc {end} {running} --region=europe-west3 --project=some-project`"
        )
        with pytest.raises(TandemError, match="of an earlier version"):
            DataprocJob(now).stop()
        status = DataprocJob(now).status()
        assert status["job"]["state"] == "stopped"
        assert status["problem"] == f"{told.value}; {told.value.hint}"
        with pytest.raises(TandemError, match="of an earlier version"):
            next(DataprocJob(now).logs())
        with pytest.raises(TandemError, match="of an earlier version"):
            checks_of(now)["job"]()
    rehearsal = settings.model_copy(update={"profile": "trial", "backend": "rehearsal"})
    with pytest.raises(TandemError, match="of an earlier version") as there:
        Deployment(rehearsal).check_earlier()
    assert there.value.hint == "stop it first: `tandem --profile trial down`"
    other = load("gcp", {**CLOUD, "pipeline": "segment_revenue"}).model_copy(update={"gcp": settings.gcp})
    for elsewhere in (other, settings_of(bucket="other-bucket"), settings.model_copy(update={"environment": "other"})):
        Deployment(elsewhere).check_earlier()
    runs = (batches_of if serverless else jobs_of)(settings)
    runs.cancel(runs.get(running))
    runs.await_end(runs.get(running), 10)
    Deployment(settings).check_earlier()


def test_a_running_job_of_this_version_is_none_of_an_earlier_one(server: Server, settings: Settings) -> None:
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    for entry in ("join_stream", "reconcile", "replay"):
        jobs_of(settings).submit(release(settings, entry), None)
    Deployment(settings).check_earlier()


def test_a_cluster_beyond_the_quota_is_explained(server: Server) -> None:
    settings = settings_of(machine="n2-standard-8")
    with pytest.raises(EnvironmentNotReadyError, match=r"too small \(CPUS: 24 requested, 12 available\)") as told:
        Cluster(settings, Clients(settings.gcp).clusters).ensure()
    assert "gcp.workers" in told.value.hint


def test_a_batch_beyond_the_quota_is_explained() -> None:
    details = "Insufficient 'CPUS' quota. Requested 12.0, available 8.0."
    run = Run("a", "failed", None, "r1", "join-stream", "a", "tandem-1", details, "", "")
    assert "CPUS: 12 requested, 8 available): ask for more" in str(problem_of(run, None))


def test_a_cluster_that_may_not_read_secrets_is_refused_before_anything_is_created(
    server: Server, checks: None, settings: Settings
) -> None:
    client = Clients(settings.gcp).clusters
    theirs = dataproc.Cluster(project_id=PLACE[0], cluster_name="tandem")
    client.create_cluster(project_id=PLACE[0], region=PLACE[1], cluster=theirs)
    with pytest.raises(EnvironmentNotReadyError, match="without the scope cloud-platform") as told:
        Deployment(settings).check()
    assert "--scopes=cloud-platform" in told.value.hint


@pytest.mark.parametrize(
    ("state", "detail", "created_by", "said", "hint"),
    [
        ("ERROR", "no machine answered", "tandem", "is ERROR: no machine answered", "then `tandem destroy`, which"),
        (
            "ERROR",
            "",
            "tandem",
            "is ERROR: no reason given",
            "describe tandem --region=europe-west3 --project=some-project`; then",
        ),
        ("ERROR", "Quota 'CPUS' exceeded. Limit: 8.0", "tandem", "too small", "or set a smaller gcp.machine or fewer"),
        ("ERROR", "", "other", "is ERROR", "clusters delete tandem --region=europe-west3 --project=some-project`, or"),
        ("STOPPED", "", "tandem", "is STOPPED", "clusters start tandem --region=europe-west3 --project=some-project`"),
    ],
)
def test_a_cluster_that_cannot_run_is_reported_with_a_hint(
    server: Server, settings: Settings, state: str, detail: str, created_by: str, said: str, hint: str
) -> None:
    client = Clients(settings.gcp).clusters
    Cluster(settings.model_copy(update={"environment": created_by}), client).ensure()
    found = server.clusters.find("tandem")
    found.status = dataproc.ClusterStatus(state=dataproc.ClusterStatus.State[state], detail=detail)
    with pytest.raises(EnvironmentNotReadyError, match=f"the cluster tandem .*{said}") as told:
        Cluster(settings, client).ensure()
    assert hint in told.value.hint
    with pytest.raises(EnvironmentNotReadyError, match=said):
        Cluster(settings, client).check()
    if created_by == "tandem" and state != "STOPPED":
        # The hint leads out of it.
        assert Cluster(settings, client).delete() == "deleted"
        Cluster(settings, client).ensure()


@pytest.mark.parametrize("state", ["UPDATING", "ERROR_DUE_TO_UPDATE"])
def test_a_cluster_that_accepts_jobs_is_used(server: Server, settings: Settings, state: str) -> None:
    cluster = Cluster(settings, Clients(settings.gcp).clusters)
    cluster.ensure()
    server.clusters.find("tandem").status.state = dataproc.ClusterStatus.State[state]
    cluster.ensure()


@pytest.fixture
def going(server: Server, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cluster that is being deleted; it is gone after the second look."""
    client = Clients(settings.gcp).clusters
    Cluster(settings, client).ensure()
    found = server.clusters.find("tandem")
    found.status.state = dataproc.ClusterStatus.State.DELETING
    look, looks = Cluster.find, list[object]()

    def find(own: Cluster) -> Any:
        looks.append(look(own))
        if len(looks) == 2:
            client.delete_cluster(project_id=PLACE[0], region=PLACE[1], cluster_name="tandem")
        return looks[-1]

    monkeypatch.setattr(Cluster, "find", find)
    monkeypatch.setattr("tandem.platforms.dataproc.cluster._DEADLINE_S", 2.0)
    return found


def test_a_cluster_that_is_being_deleted_is_created_again(server: Server, settings: Settings, going: Any) -> None:
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    assert server.clusters.find("tandem").cluster_uuid != going.cluster_uuid


def test_a_cluster_that_another_deployment_has_created_meanwhile_is_used(
    settings: Settings, going: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Cluster(settings, Clients(settings.gcp).clusters)
    look = Cluster.find

    def find(own: Cluster) -> Any:
        if (found := look(own)) is None:
            monkeypatch.setattr(Cluster, "find", look)
            other.ensure()
            return look(own)
        return found

    monkeypatch.setattr(Cluster, "find", find)
    Cluster(settings, Clients(settings.gcp).clusters).ensure()


def test_a_cluster_that_is_being_deleted_may_have_other_machines(settings: Settings, going: Any) -> None:
    """The deployment creates one with the machines of the settings."""
    larger = settings.model_copy(update={"gcp": settings.gcp.model_copy(update={"machine": "n2-standard-16"})})
    cluster = Cluster(larger, Clients(settings.gcp).clusters)
    cluster.check()
    going.status.state = dataproc.ClusterStatus.State.RUNNING
    with pytest.raises(EnvironmentNotReadyError, match="executors are sized for n2-standard-16"):
        cluster.check()


def test_a_cluster_that_is_being_deleted_is_not_deleted_again(
    settings: Settings, going: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its end is awaited."""
    client = Clients(settings.gcp).clusters
    asked: list[object] = []
    monkeypatch.setattr(client, "delete_cluster", lambda **request: asked.append(request))
    assert Cluster(settings, client).delete() == "deleted"
    assert asked == []


@pytest.mark.parametrize("begun", ["DELETING", "RUNNING"])
def test_a_cluster_whose_deletion_begins_before_it_is_deleted_is_no_error(
    settings: Settings, going: Any, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    """Google deletes an idle cluster."""
    client, states = Clients(settings.gcp).clusters, dataproc.ClusterStatus.State
    going.status.state = states.RUNNING

    def refuse(**_: object) -> NoReturn:
        going.status.state = states[begun]
        raise FailedPrecondition("refused")

    monkeypatch.setattr(client, "delete_cluster", refuse)
    refused = pytest.raises(TandemError, match="deleting the cluster tandem failed: refused")
    with nullcontext() if begun == "DELETING" else refused:
        assert Cluster(settings, client).delete() == "deleted"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "there is no cluster to VERB on"),
        ("DELETING", "there is no cluster to VERB on"),
        ("ERROR", "the cluster tandem is ERROR"),
        ("STOPPED", "the cluster tandem is STOPPED"),
    ],
)
@pytest.mark.parametrize("verb", ["reconcile", "replay"])
def test_a_batch_needs_a_cluster_that_takes_it(
    server: Server, settings: Settings, verb: str, state: str | None, said: str
) -> None:
    job = DataprocJob(settings)
    if state:
        job.deployment.any_cluster.ensure()
        server.clusters.find("tandem").status.state = dataproc.ClusterStatus.State[state]
    with pytest.raises(EnvironmentNotReadyError, match=said.replace("VERB", verb)):
        getattr(job, verb)(*[None] * (verb == "replay"))


def test_a_cluster_that_is_being_deleted_is_none_for_the_doctor(server: Server, settings: Settings) -> None:
    Deployment(settings).any_cluster.ensure()
    found = server.clusters.find("tandem")
    found.config.software_config.image_version = "2.2-debian12"
    with pytest.raises(TandemError, match=r"has image 2\.2-debian12"):
        checks_of(settings)["cluster"]()
    found.status.state = dataproc.ClusterStatus.State.DELETING
    assert checks_of(settings)["cluster"]().startswith("none named tandem; deploy creates it")


def test_a_created_cluster_has_javas_own_tls_and_reads_secrets(server: Server, settings: Settings) -> None:
    cluster = Cluster(settings, Clients(settings.gcp).clusters)
    cluster.ensure()
    found = cluster.find()
    assert found is not None
    assert found.config.software_config.properties["dataproc:dataproc.conscrypt.provider.enable"] == "false"
    assert SCOPE in found.config.gce_cluster_config.service_account_scopes


def test_a_serverless_batch_has_javas_own_tls(server: Server) -> None:
    settings = settings_of(serverless=True)
    request = batch_request(settings, release(settings), None)
    assert request.batch.runtime_config.properties["dataproc.artifacts.remove"] == "conscrypt"
    assert batches_of(settings).submit(release(settings), None).active
    request.batch.runtime_config.properties["dataproc.conscrypt"] = "false"
    request.batch_id, request.request_id = "another-batch", ""
    with pytest.raises(InvalidArgument, match="Unsupported property"):
        Clients(settings.gcp).batches.create_batch(request=request)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gcp": {"idle_delete_minutes": 20161}}, "gcp.idle_delete_minutes"),
        ({"gcp": {"idle_delete_minutes": 4}}, "gcp.idle_delete_minutes"),
        ({"gcp": {"workers": 1}}, "no worker .one machine for all. or at least 2"),
        ({"gcp": {"serverless": True}, "spark": {"spark.executor.instances": "1"}}, "whole number from 2 to 2000"),
        ({"gcp": {"serverless": True}, "spark": {"spark.executor.instances": "2001"}}, "whole number from 2 to 2000"),
        ({"spark": {"spark.executor.instances": "two"}}, "whole number from 1 to"),
    ],
)
def test_values_outside_googles_bounds_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load("gcp", {**CLOUD, **values, "gcp": {**CLOUD["gcp"], **values.get("gcp", {})}})


def test_the_largest_and_smallest_values_are_accepted_by_the_stand_in(server: Server) -> None:
    for number, google in enumerate(({"idle_delete_minutes": 20160, "workers": 2}, {"idle_delete_minutes": 5})):
        settings = settings_of(**google, cluster=f"tandem-{number}", machine="n2-standard-2")
        Cluster(settings, Clients(settings.gcp).clusters).ensure()
    request = cluster_request(settings)
    request.cluster.cluster_name, request.cluster.config.worker_config.num_instances = "other", 1
    with pytest.raises(InvalidArgument, match="minimum of 2 workers"):
        Clients(settings.gcp).clusters.create_cluster(request=request)


def test_one_machine_is_a_cluster(server: Server) -> None:
    settings = settings_of(workers=0)
    Cluster(settings, Clients(settings.gcp).clusters).ensure()


def test_failures_are_counted_over_the_jobs_life(server: Server, settings: Settings) -> None:
    server.codes = [1, 1]
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    jobs = jobs_of(settings)
    run = jobs.submit(release(settings), None)
    assert run.restarts_left == 240

    # The third driver runs.
    while (now := jobs.get(run.id)).state != "running" or now.restarts_left != 238:
        assert now.active
    assert few_restarts(now) is None


def test_a_job_ends_after_its_last_restart(server: Server, settings: Settings) -> None:
    server.codes = [1] * 3
    Cluster(settings, Clients(settings.gcp).clusters).ensure()
    request = submit_request(settings, release(settings), None)
    request.job.scheduling.max_failures_total = 2
    Clients(settings.gcp).jobs.submit_job(request=request)
    jobs = jobs_of(settings)
    ended = jobs.await_end(jobs.get(request.job.reference.job_id), 10)
    assert (ended.state, ended.restarts_left) == ("failed", 0)


@pytest.mark.parametrize(("left", "told"), [(None, False), (19, True), (0, True), (20, False)])
def test_the_last_restarts_are_announced(left: int | None, told: bool) -> None:
    run = Run("a", "running", None, "r1", "join-stream", "a", "tandem-1", "", "", "", restarts_left=left)
    assert bool(few_restarts(run)) == told


def test_no_answer_does_not_look_like_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.calls.PATIENCE_S", 0.2)
    with pytest.raises(EnvironmentNotReadyError, match="failed, also after"):
        DataprocEnvironment(settings_of(dataproc_address=NOWHERE)).pipelines()


def test_the_state_of_a_job_is_unknown_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.platforms.dataproc.calls.PATIENCE_S", 0.2)
    monkeypatch.setattr("tandem.platforms.dataproc.job.progress_of", no_mongo)
    found = DataprocJob(settings_of(dataproc_address=NOWHERE)).status()
    assert (found["job"]["state"], found["ready"]) == ("unknown", False)
    assert "failed, also after" in found["problem"]


def test_status_says_that_it_does_not_know_what_else_runs() -> None:
    def unknown() -> list[str]:
        raise TandemError("listing the jobs failed", hint="try again")

    own = {"pipeline": "a", "ready": True, "job": {}, "dashboard": {}, "problem": None, "warnings": []}
    own["mongo"] = {"database": "a"}
    context: Any = SimpleNamespace(
        job=SimpleNamespace(status=lambda: own), environment=SimpleNamespace(pipelines=unknown), pipelines=("a",)
    )
    assert inspect.collected(context)["problem"] == "listing the jobs failed"


def test_labels_of_a_request(settings: Settings) -> None:
    made = release(settings)
    labels = dict(submit_request(settings, made, None).job.labels)
    assert labels[LABEL] == label_of(settings) == "orders-payments"
    assert labels[ENTRY_LABEL] == "join-stream"
    assert labels[RELEASE_LABEL] == made.digest
    assert len(made.digest) == 16
    assert made.digest.startswith("r")


def test_a_job_that_waits_for_its_restart_keeps_its_cluster(server: Server, settings: Settings) -> None:
    """Google lists it as neither active nor ended, by the reference of ListJobs."""
    other = settings_of(bucket="other-bucket")
    clients = Clients(settings.gcp)
    Cluster(settings, clients.clusters).ensure()
    waits, goes_on = threading.Event(), threading.Event()
    server.codes, server.jobs.before_restart = [1], lambda: waits.set() or goes_on.wait(30)
    run = jobs_of(other).submit(release(other), None)
    assert waits.wait(30)
    request = {"project_id": PLACE[0], "region": PLACE[1], "filter": "status.state = ACTIVE"}
    assert list(clients.jobs.list_jobs(request)) == []
    assert jobs_of(settings).others_on_cluster() == [run.id]
    assert [each.id for each in jobs_of(other).active_streams()] == [run.id]
    newest = jobs_of(other).newest()
    assert (newest and newest.id, newest and newest.active) == (run.id, True)
    goes_on.set()


@pytest.mark.parametrize("machine", ["n4-standard-4", "n4d-standard-4", "c4-highmem-8", "c4a-standard-4"])
def test_a_machine_without_persistent_disks_needs_another_disk(server: Server, machine: str) -> None:
    series = machine.partition("-")[0]
    with pytest.raises(UsageError, match=f"machines of the series {series} have no disks of this type") as refused:
        settings_of(machine=machine)
    assert "gcp.disk_type" in str(refused.value)
    fitting = settings_of(machine=machine, disk_type="hyperdisk-balanced", workers=0)
    request = cluster_request(fitting)
    Clients(fitting.gcp).clusters.create_cluster(request=request)
    request.cluster.config.master_config.disk_config.boot_disk_type = "pd-balanced"
    with pytest.raises(InvalidArgument, match="not compatible"):
        Clients(fitting.gcp).clusters.create_cluster(request=request)


def test_the_whole_request_of_a_cluster() -> None:
    machines = {"machineTypeUri": "n2-standard-4", "diskConfig": {"bootDiskType": "pd-balanced", "bootDiskSizeGb": 100}}
    request = cluster_request(settings_of(subnetwork="sub", idle_delete_minutes=45))
    body = MessageToDict(dataproc.CreateClusterRequest.pb(request))
    environment = body["cluster"]["labels"].pop("tandem-environment")
    assert environment.startswith("tandem-")
    assert body == {
        "projectId": "some-project",
        "region": "europe-west3",
        "cluster": {
            "projectId": "some-project",
            "clusterName": "tandem",
            "labels": {"tandem": "orders-payments"},
            "config": {
                "configBucket": "some-bucket",
                "gceClusterConfig": {
                    "serviceAccount": ACCOUNT,
                    "serviceAccountScopes": [SCOPE],
                    "subnetworkUri": "sub",
                    "internalIpOnly": True,
                },
                "masterConfig": {"numInstances": 1, **machines},
                "workerConfig": {"numInstances": 2, **machines},
                "softwareConfig": {
                    "imageVersion": "4.0-debian13",
                    "properties": {
                        "dataproc:dataproc.conscrypt.provider.enable": "false",
                        "dataproc:dataproc.logging.stackdriver.job.driver.enable": "true",
                    },
                },
                "lifecycleConfig": {"idleDeleteTtl": "2700s"},
            },
        },
    }


@pytest.mark.parametrize("name", ["spark.master", "spark.yarn.queue", "spark.shuffle.service.enabled"])
def test_a_serverless_batch_has_no_properties_of_clusters(server: Server, name: str) -> None:
    settings = settings_of(serverless=True)
    with pytest.raises(TandemError, match=f"Unsupported property: {name}"):
        batches_of(settings.model_copy(update={"spark": {**settings.spark, name: "a"}})).submit(release(settings), None)
