"""Uploads by Google's own client to a real server of Cloud Storage's protocol; secrets from a stand-in over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tandem.engine.declare.stream import RECORD_FILE
from tandem.engine.spark.secrets import SecretError, access, resolve
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.checkpoint_check import copy_metadata, doubt_of
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.doctor import checks
from tandem.platforms.dataproc.release import Upload, checkpoint_of, object_of
from tandem.platforms.service_checks import Skipped
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem_rehearsal.batch_controller import DEPLOYER
from tandem_rehearsal.project_api import ProjectApi
from tandem_rehearsal.secret_manager import server
from tandem_rehearsal.services import StorageStandIn, layout_of
from tests import ROOT
from tests.ports import free_ports


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with free_ports(3) as port:
        yield load("rehearsal", {"state_dir": tmp_path, "gcp": {"rehearsal_port": port}})


@pytest.fixture
def bucket(settings: Settings) -> Iterator[Bucket]:
    service = StorageStandIn(settings, layout_of(settings))
    process = subprocess.Popen(service.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(OSError), wait=wait_fixed(0.05), stop=stop_after_delay(20), reraise=True
        ):
            with attempt:
                service.probe(process.pid)
        service.on_ready()
        yield Bucket(settings, Clients(settings.gcp).storage)
    finally:
        process.kill()
        process.wait()


@dataclass
class Caller:
    """Whom the metadata server takes this process for.

    Attributes:
        account: the account of its machine; None if the machine is not Google's.
    """

    account: str | None


@pytest.fixture
def caller(settings: Settings) -> Caller:
    return Caller(settings.gcp.service_account)


@pytest.fixture
def secrets(settings: Settings, caller: Caller) -> Iterator[Path]:
    """The folder of the secrets."""
    folder = settings.home / "secrets"
    folder.mkdir(parents=True)
    readers = {settings.gcp.service_account or ""}
    project = ProjectApi("rehearsal-project", "rehearsal-north1")
    serving = server((settings.gcp.rehearsal_port or 0) + 2, project, folder, readers, lambda _: caller.account)
    thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
    thread.start()
    access.cache_clear()
    yield folder
    serving.shutdown()
    thread.join()
    serving.server_close()


def never() -> Path:
    raise AssertionError("it brings its content")


def test_what_is_there_is_not_uploaded_again(bucket: Bucket, settings: Settings, tmp_path: Path) -> None:
    small, jar = Upload.of("job.json", b"{}"), Upload("some.jar", "ab" * 32)
    (tmp_path / "some.jar").write_bytes(bytes(range(256)) * 4096)
    assert bucket.upload(small, never)
    assert not bucket.upload(small, never)
    assert bucket.upload(jar, lambda: tmp_path / "some.jar")
    stored = Clients(settings.gcp).storage.bucket("tandem-rehearsal").blob(object_of(settings, jar))
    assert stored.download_as_bytes() == (tmp_path / "some.jar").read_bytes()
    # Content that nobody can have changed: a second upload of another content under this name is not made.
    assert not bucket.upload(Upload("some.jar", "ab" * 32, b"other"), never)
    assert bucket.remove_all() == 2


def test_output_is_read_in_order_and_from_where_it_was_left(bucket: Bucket, settings: Settings) -> None:
    client = Clients(settings.gcp).storage.bucket("tandem-rehearsal")
    for number in range(12):
        client.blob(f"meta/driveroutput.{number:09}").upload_from_string(f"{number}\n")
    whole = list(bucket.output("gs://tandem-rehearsal/meta/driveroutput"))
    assert b"".join(whole) == b"".join(b"%d\n" % number for number in range(12))
    assert list(bucket.output("gs://tandem-rehearsal/meta/driveroutput", 11)) == [b"11\n"]


def test_a_missing_bucket_is_said_in_a_line(bucket: Bucket, settings: Settings) -> None:
    gcp = settings.gcp.model_copy(update={"bucket": "nobodys-bucket"})
    missing = Bucket(settings.model_copy(update={"gcp": gcp}), Clients(gcp).storage)
    with pytest.raises(EnvironmentNotReadyError, match="looking at the bucket nobodys-bucket failed") as refused:
        missing.check()
    assert "--location=rehearsal-north1 --project=rehearsal-project`" in refused.value.hint


def test_the_job_finds_a_secret_by_its_machines_identity(secrets: Path, settings: Settings) -> None:
    (secrets / "kafka-password").write_text("hunter2\n")
    urls = (settings.gcp.metadata_url, settings.gcp.secret_manager_url)
    assert resolve("gsm:projects/rehearsal-project/secrets/kafka-password", *urls) == "hunter2"
    address = f"{urls[1]}/v1/projects/rehearsal-project/secrets/kafka-password/versions/latest:access"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address)


@pytest.mark.parametrize(
    ("account", "said"),
    [(DEPLOYER, "Secret Manager Secret Accessor"), (None, "has no service account of Google")],
)
def test_only_the_jobs_account_reads_a_secret(
    secrets: Path, settings: Settings, caller: Caller, account: str | None, said: str
) -> None:
    (secrets / "kafka-password").write_text("hunter2")
    caller.account = account
    with pytest.raises(SecretError, match=said):
        resolve(
            "gsm:projects/rehearsal-project/secrets/kafka-password",
            settings.gcp.metadata_url,
            settings.gcp.secret_manager_url,
        )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("projects/rehearsal-project/secrets/none", "does not exist"),
        ("projects/other/secrets/kafka-password", "Secret Manager Secret Accessor"),
        ("projects/rehearsal-project/secrets/empty", "is empty"),
    ],
)
def test_a_secret_that_cannot_be_had_is_said(secrets: Path, settings: Settings, name: str, said: str) -> None:
    (secrets / "empty").touch()
    with pytest.raises(SecretError, match=said):
        resolve(f"gsm:{name}", settings.gcp.metadata_url, settings.gcp.secret_manager_url)


def test_a_machine_that_is_not_googles_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.engine.spark.secrets.PAUSES_S", (0.01,))
    with free_ports() as port, pytest.raises(SecretError, match="cannot be read now: "):
        resolve("gsm:projects/p/secrets/s", f"http://127.0.0.1:{port}")


def test_secrets_that_the_job_will_read_are_looked_for(secrets: Path, settings: Settings) -> None:
    (secrets / "kafka-password").write_text("x")
    with pytest.raises(EnvironmentNotReadyError, match="mongo-password") as refused:
        Deployment(settings).check_secrets()
    assert "gcloud secrets create mongo-password --data-file=FILE --project=" in refused.value.hint
    (secrets / "mongo-password").write_text("x")
    assert len(Deployment(settings).check_secrets()) == 2


def test_a_secret_that_is_not_on_the_cluster_is_refused(settings: Settings) -> None:
    local = settings.kafka.model_copy(update={"job_password": "env:HERE"})
    with pytest.raises(UsageError, match=r"kafka\.job_password"):
        Deployment(settings.model_copy(update={"kafka": local})).check()


def test_a_secret_of_secret_manager_is_for_the_job_only(settings: Settings) -> None:
    from tandem.settings.connections import resolve as resolve_here

    with pytest.raises(TandemError, match="nothing on this machine reads Secret Manager") as caught:
        resolve_here("gsm:projects/p/secrets/s")
    # A registry's password has no other setting for the job.
    assert caught.value.hint.startswith("name a secret on this machine (env:VARIABLE or file:PATH)")


class Answers(list[int]):
    """Statuses that a Cloud Storage of our own answers with, one after another; then it answers with ``found``."""

    found: dict[str, Any]


@pytest.fixture
def answers(settings: Settings) -> Iterator[Answers]:
    """What it answers: at first that the bucket is empty."""
    statuses = Answers()
    statuses.found = {"items": []}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = statuses.pop(0) if statuses else 200
            said = {"error": {"code": status, "message": "for this test"}} if status != 200 else statuses.found
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", (settings.gcp.rehearsal_port or 0) + 1), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield statuses
        serving.shutdown()
        thread.join()


def test_too_many_requests_and_outages_are_waited_for(answers: Answers, settings: Settings) -> None:
    answers += [429, 503, 500]
    Bucket(settings, Clients(settings.gcp).storage).check()
    assert answers == []


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (403, "looking at the bucket tandem-rehearsal is not allowed", "docs/guides/gcp.md lists the required roles"),
        (401, "Google does not accept the login", "gcloud auth"),
    ],
)
def test_a_refusal_is_said_at_once(answers: Answers, settings: Settings, status: int, said: str, hint: str) -> None:
    answers += [status] * 10
    with pytest.raises(EnvironmentNotReadyError, match=said) as refused:
        Bucket(settings, Clients(settings.gcp).storage).check()
    assert hint in refused.value.hint
    # Google's own transport asks twice more after a 401, each time with a new token; we do not ask again.
    assert len(answers) >= 7


def test_a_checkpoint_of_other_topics_is_reported(bucket: Bucket, settings: Settings) -> None:
    doubt_of(settings, bucket)  # there is none
    stored = Clients(settings.gcp).storage.bucket("tandem-rehearsal")
    folder = f"{checkpoint_of(settings).removeprefix('gs://tandem-rehearsal/')}/orders_payments"
    offsets = 'v1\n{"batchWatermarkMs": 0}\n{"orders_topic_data_v1": {"0": 7}}\n{"refunds": {"0": 7}}'
    for name, text in (("metadata", "{}"), ("commits/9", "v1"), ("commits/10", "v1"), ("offsets/10", offsets)):
        stored.blob(f"{folder}/{name}").upload_from_string(text)
    with pytest.raises(TandemError, match="but the checkpoint belongs to orders_topic_data_v1, refunds") as refused:
        doubt_of(settings, bucket)
    assert "nothing was changed" in str(refused.value)
    assert checkpoint_of(settings) in refused.value.hint


def test_a_checkpoint_is_copied_while_the_job_purges_old_batches(
    bucket: Bucket, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Clients(settings.gcp).storage.bucket("tandem-rehearsal")
    folder = f"{checkpoint_of(settings).removeprefix('gs://tandem-rehearsal/')}/orders_payments"
    kept = ("metadata", "commits/10", "offsets/10", RECORD_FILE, "state/0/_metadata/metadata", "state/0/0/left")
    for name in kept:
        stored.blob(f"{folder}/{name}").upload_from_string(name)
    listed, copy = bucket.names, tmp_path / "copy"

    def names(prefix: str) -> list[str]:
        found = listed(prefix)
        if prefix.endswith("/state/"):
            # Much state takes long to list.
            stored.delete_blob(f"{folder}/offsets/10")
        return found

    monkeypatch.setattr(bucket, "names", names)
    assert copy_metadata(settings, bucket, copy) == b"offsets/10"
    copied = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert copied == {*kept[:-1], "offsets/11"}


BUCKET = {
    "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026-11-29T10:00:00Z"},
    "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 365, "matchesPrefix": ["tmp/"]}}]},
    "versioning": {"enabled": True},
}
KEEPS_NOTHING = {
    "softDeletePolicy": {"retentionDurationSeconds": "0"},
    "lifecycle": {
        "rule": [{"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["google-cloud-dataproc-"]}}]
    },
}


@pytest.mark.parametrize(
    ("differing", "said"),
    [
        ({"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]}}, "deletes the checkpoint"),
        ({}, "keeps deleted objects for 7 days"),
        ({"softDeletePolicy": {"retentionDurationSeconds": "0"}}, "keeps each version"),
        (
            {"softDeletePolicy": {"retentionDurationSeconds": "0"}, "versioning": {}},
            "keeps drivers' output permanently",
        ),
        (KEEPS_NOTHING | {"versioning": {}}, None),
    ],
)
def test_a_bucket_that_keeps_deleted_objects_is_reported(
    settings: Settings, answers: Answers, differing: dict[str, object], said: str | None
) -> None:
    answers.found = {"name": "tandem-rehearsal", **BUCKET, **differing}
    cloud = settings.model_copy(update={"backend": "dataproc"})
    check = checks(cloud)["bucket's costs"]
    if said is None:
        assert "no soft delete" in check()
        return
    with pytest.raises(TandemError, match=said) as refused:
        check()
    assert refused.value.hint.startswith("`gcloud storage buckets update gs://tandem-rehearsal --")


DIGITS = list("0123456789")
OUTPUT = "google-cloud-dataproc-metainfo/"


@pytest.mark.parametrize(
    ("condition", "removes_output", "removes_checkpoint"),
    [
        ({"age": 30}, True, True),
        ({"age": 30, "matchesPrefix": [""]}, True, True),
        ({"age": 30, "matchesPrefix": ["tandem/"]}, False, True),
        ({"age": 30, "matchesPrefix": [OUTPUT, "tand"]}, True, True),
        ({"age": 30, "matchesPrefix": ["tandem/orders_payments/checkpoint/orders_payments/state/"]}, False, True),
        ({"age": 30, "matchesPrefix": ["tandem/orders_payments/objects/", "tandem-staging/"]}, False, False),
        ({"age": 30, "matchesPrefix": [OUTPUT], "matchesSuffix": DIGITS}, True, False),
        ({"age": 30, "matchesSuffix": DIGITS}, True, True),
        ({"age": 30, "matchesSuffix": ["7"]}, False, True),
        ({"age": 30, "matchesSuffix": ["p"]}, False, True),
        ({"age": 30, "matchesSuffix": ["1.zip"]}, False, True),
        ({"age": 30, "matchesSuffix": [".tmp", ".csv"]}, False, False),
        ({"createdBefore": "2026-01-01"}, False, True),
        ({"age": 30, "isLive": True}, True, True),
        ({"age": 30, "isLive": False}, False, False),
        ({"age": 30, "numNewerVersions": 3}, False, False),
        ({"daysSinceNoncurrentTime": 7}, False, False),
    ],
)
def test_what_a_lifecycle_rule_deletes(
    settings: Settings,
    answers: Answers,
    condition: dict[str, object],
    removes_output: bool,
    removes_checkpoint: bool,
) -> None:
    rule = {"action": {"type": "Delete"}, "condition": condition}
    answers.found = {"name": "tandem-rehearsal", **KEEPS_NOTHING, "lifecycle": {"rule": [rule]}}
    policy = Bucket(settings, Clients(settings.gcp).storage).policy()
    assert policy is not None
    assert (policy.removes_output, policy.removes_checkpoint) == (removes_output, removes_checkpoint)


def test_the_documented_lifecycle_rule_deletes_output_only(settings: Settings, answers: Answers) -> None:
    (shown,) = re.findall(r"```json\n(\{.*?)```", (ROOT / "docs" / "guides" / "gcp.md").read_text("utf-8"), re.DOTALL)
    answers.found = {"name": "tandem-rehearsal", **KEEPS_NOTHING, "lifecycle": json.loads(shown)}
    policy = Bucket(settings, Clients(settings.gcp).storage).policy()
    assert policy is not None
    assert (policy.removes_output, policy.removes_checkpoint) == (True, False)


def test_a_bucket_whose_settings_are_hidden_is_not_judged(settings: Settings, answers: Answers) -> None:
    answers.append(403)
    with pytest.raises(Skipped, match="Storage Legacy Bucket Reader"):
        checks(settings.model_copy(update={"backend": "dataproc"}))["bucket's costs"]()
