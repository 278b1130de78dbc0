"""A driver's output, read by Google's own client from a server that speaks Cloud Logging's protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc
import pytest
from google.cloud import dataproc_v1 as dataproc
from google.cloud.logging_v2.types import LogEntry

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.driver_log import DriverLog, line_of
from tandem.platforms.dataproc.requests import cluster_request
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.runs import Runs
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine
from tandem_rehearsal.cloud_logging import CloudLogging
from tandem_rehearsal.driver_machines import DriverMachines
from tandem_rehearsal.driver_output import Output

JOB = Run(
    "some-job", "running", None, "", "join_stream", "orders_payments", "", "", "gs://bucket/meta/driveroutput", "u"
)
BATCH = replace(JOB, id="some-batch", output="")
LINE = {
    "time": "2026-11-29T10:00:00.000Z",
    "severity": "WARNING",
    "logger": "tandem.job",
    "message": "late",
    "batch": 7,
}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudLogging]:
    found = CloudLogging("rehearsal-project")
    with ThreadPoolExecutor(2) as pool:
        serving = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
        serving.add_generic_rpc_handlers((found.service(),))
        port = serving.add_insecure_port("127.0.0.1:0")
        monkeypatch.setenv("TANDEM_GCP__LOGGING_ADDRESS", f"127.0.0.1:{port}")
        serving.start()
        yield found
        serving.stop(None).wait()


@pytest.fixture
def settings(logs: CloudLogging) -> Settings:
    return load("rehearsal")


@dataclass
class Pieces:
    """A bucket with a driver's output; it counts how often it was read."""

    pieces: list[bytes] = field(default_factory=list)
    reads: int = 0

    def output(self, _: str, since: int) -> list[bytes]:
        self.reads += 1
        return self.pieces[since:]


class Started:
    """Takes the output and the account that a driver would get."""

    output: Output
    account: str

    def launch(self, _job: dataproc.Job, _runtime: object, account: str, output: Output) -> None:
        self.account, self.output = account, output


class NoClient:
    """A storage client that accepts every object and has none."""

    def list_blobs(self, *_: object, **__: object) -> list[object]:
        return []

    def bucket(self, _: str) -> NoClient:
        return self

    blob = bucket

    def upload_from_string(self, _: bytes) -> None:
        pass

    def download_as_bytes(self) -> bytes:
        return json.dumps({"checkpoint": "gs://bucket/checkpoint"}).encode()


def machines(logs: CloudLogging, started: Started) -> DriverMachines:
    return DriverMachines("rehearsal-north1", started, NoClient(), logs)  # type: ignore[arg-type]


def on_cluster(logs: CloudLogging, cluster: dataproc.Cluster) -> Started:
    started = Started()
    reference = dataproc.JobReference(job_id=JOB.id)
    job = dataproc.Job(reference=reference, job_uuid=JOB.uuid, driver_output_resource_uri=JOB.output)
    machines(logs, started).of_cluster(job, cluster)
    return started


def as_batch(logs: CloudLogging) -> Started:
    started = Started()
    what = dataproc.PySparkBatch(args=["--config", "gs://bucket/job.json"])
    machines(logs, started).of_batch(dataproc.Batch(name=f"a/batches/{BATCH.id}", pyspark_batch=what))
    return started


def reader(settings: Settings, bucket: Pieces, kind: type[Runs] = ClusterJobs, state: str = "stopped") -> DriverLog:
    runs = runs_of(settings, bucket, kind)
    runs.get = lambda _: replace(JOB, state=state)  # type: ignore[method-assign]
    return log_of(settings, bucket, runs)


def runs_of(settings: Settings, bucket: Pieces, kind: type[Runs] = ClusterJobs) -> Runs:
    return kind(settings, None, bucket)  # type: ignore[arg-type]


def log_of(settings: Settings, bucket: Pieces, runs: Runs) -> DriverLog:
    return DriverLog(settings, Clients(settings.gcp), bucket, runs)  # type: ignore[arg-type]


def texts(lines: Iterator[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_a_cluster_that_deploy_creates_logs_its_drivers_output(settings: Settings, logs: CloudLogging) -> None:
    bucket = Pieces([b"in the bucket\n"])
    started = on_cluster(logs, cluster_request(settings).cluster)
    assert started.account == settings.gcp.service_account
    started.output(json.dumps(LINE).encode() + b"\nsec")
    started.output(b"ond\n")
    first, second = reader(settings, bucket).lines(JOB)
    assert (first.at, first.level, first.text) == (
        datetime(2026, 11, 29, 10, tzinfo=UTC),
        "warning",
        "tandem.job late batch=7",
    )
    assert (second.text, second.service, bucket.reads) == ("second", "job", 0)


def test_a_cluster_without_the_property_has_its_output_in_the_bucket_only(
    settings: Settings, logs: CloudLogging
) -> None:
    bucket = Pieces([b"one\ntw", b"o"])
    assert on_cluster(logs, dataproc.Cluster()).output(b"one\n")
    assert texts(reader(settings, bucket).lines(JOB)) == ["one", "two"]


def test_a_serverless_batch_has_its_output_in_a_log(settings: Settings, logs: CloudLogging) -> None:
    as_batch(logs).output(json.dumps(LINE).encode() + b"\n")
    (line,) = reader(settings, Pieces(), Batches).lines(BATCH)
    assert (line.level, line.text) == ("warning", "tandem.job late batch=7")


def test_other_runs_lines_are_not_shown(settings: Settings, logs: CloudLogging) -> None:
    on_cluster(logs, cluster_request(settings).cluster).output(b"ours\n")
    for other in (replace(JOB, uuid="of an earlier job"), replace(JOB, id="another")):
        assert texts(reader(settings, Pieces()).lines(other)) == []


def test_a_log_of_many_pages_is_read_to_its_end_and_from_a_time_on(settings: Settings, logs: CloudLogging) -> None:
    output = on_cluster(logs, cluster_request(settings).cluster).output
    output(b"".join(b"%d\n" % number for number in range(2500)))
    between = datetime.now(UTC)
    output(b"after\n")
    log = reader(settings, Pieces())
    assert texts(log.lines(JOB)) == [*map(str, range(2500)), "after"]
    assert texts(log.lines(JOB, since=between)) == ["after"]


@pytest.mark.parametrize("logged", [True, False])
def test_new_lines_follow_until_the_run_ends(
    settings: Settings, logs: CloudLogging, monkeypatch: pytest.MonkeyPatch, logged: bool
) -> None:
    bucket, more = Pieces(), [b"first\n", b"second\n", b"third\n"]
    cluster = cluster_request(settings).cluster if logged else dataproc.Cluster()
    output = on_cluster(logs, cluster).output
    runs = runs_of(settings, bucket)
    log = log_of(settings, bucket, runs)
    states = iter(["running", "running", "running", "stopped"])

    def get(_: str) -> Run:
        if more:
            bucket.pieces.append(more[0])
            output(more.pop(0))
        return replace(JOB, state=next(states))

    monkeypatch.setattr("time.sleep", lambda _: None)
    runs.get = get  # type: ignore[method-assign]
    assert texts(log.lines(JOB, follow=True)) == ["first", "second", "third"]


def test_an_unreadable_log_is_reported_and_the_bucket_is_read(
    settings: Settings, logs: CloudLogging, capsys: pytest.CaptureFixture[str]
) -> None:
    other = settings.model_copy(update={"gcp": settings.gcp.model_copy(update={"project": "other-project"})})
    assert texts(reader(other, Pieces([b"one\n"])).lines(JOB)) == ["one"]
    assert "Cloud Logging cannot be read; reading the bucket" in capsys.readouterr().out
    with pytest.raises(EnvironmentNotReadyError, match="reading the driver's log in Cloud Logging is not allowed"):
        list(reader(other, Pieces(), Batches).lines(BATCH))


@pytest.mark.parametrize(
    "payload",
    [
        {"text_payload": json.dumps(LINE)},
        {"json_payload": {"message": json.dumps(LINE), "filename": "job.log"}},
        {"json_payload": {name: LINE[name] for name in ("logger", "message", "batch")}},
    ],
)
def test_a_line_is_the_same_in_every_form_that_an_agent_may_give_it(payload: dict[str, Any]) -> None:
    moment = datetime(2026, 11, 29, 10, tzinfo=UTC)
    entry = LogEntry(timestamp=moment, severity="WARNING", **payload)
    assert line_of(entry) == LogLine(moment, "warning", "tandem.job late batch=7", "job")


def test_an_entry_without_text_and_level_is_a_line(settings: Settings) -> None:
    moment = datetime(2026, 11, 29, 10, tzinfo=UTC)
    assert line_of(LogEntry(timestamp=moment, json_payload={"class": "a.B"})).text == "class=a.B"
    assert line_of(LogEntry(timestamp=moment, text_payload="a\n")) == LogLine(moment, None, "a", "job")


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "resource.type = cloud_dataproc_job"},
        {"filter": 'timestamp >= "yesterday"'},
        {"resource_names": []},
        {"order_by": "severity"},
    ],
)
def test_a_request_that_google_refuses_is_refused(
    settings: Settings, logs: CloudLogging, wrong: dict[str, Any]
) -> None:
    from google.api_core.exceptions import InvalidArgument

    listing = partial(Clients(settings.gcp).logs.list_log_entries, retry=None)
    with pytest.raises(InvalidArgument):
        listing(request={"resource_names": ["projects/rehearsal-project"], **wrong})
