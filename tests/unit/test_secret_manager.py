"""What a job does if it cannot read a secret: an outage passes, and a missing secret does not."""

from __future__ import annotations

import errno
import json
import threading
from argparse import Namespace
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON, JobConfig
from tandem.engine.run import job
from tandem.engine.spark import secrets
from tandem.engine.spark.connection_options import kafka_options, mongo_uri
from tandem.engine.spark.failure import CannotGoOnError, JobError, failure_of_declaration
from tandem.engine.spark.secrets import SecretError, SecretOutageError, access, resolve
from tandem.errors import EnvironmentNotReadyError
from tandem.pipelines.orders_payments.transform import PIPELINE
from tandem.settings import connections
from tests.ports import free_ports
from tests.spark.records import job_config

REFERENCE = "gsm:projects/p/secrets/s"
TOKEN = (200, b'{"access_token": "t"}')


def secret(content: bytes) -> tuple[int, bytes]:
    return 200, json.dumps({"payload": {"data": b64encode(content).decode()}}).encode()


@dataclass
class Google:
    """A metadata server and a Secret Manager.

    Attributes:
        url: the URL of both.
        token: the status and the content that the metadata server answers with.
        secret: those of Secret Manager.
        cut: whether each answer ends too early.
        asked: the paths of the requests.
    """

    url: str = ""
    token: tuple[int, bytes] = TOKEN
    secret: tuple[int, bytes] = secret(b"hunter2\n")
    cut: bool = False
    asked: list[str] = field(default_factory=list)

    def resolve(self, reference: str = REFERENCE) -> str:
        return resolve(reference, self.url, self.url)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    google = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            google.asked.append(self.path)
            status, content = google.token if self.path.endswith("/token") else google.secret
            self.send_response(status)
            self.send_header("Content-Length", str(len(content) + google.cut))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(secrets, "PAUSES_S", (0.01, 0.01))
    access.cache_clear()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        google.url = f"http://127.0.0.1:{server.server_port}"
        yield google
        server.shutdown()
        thread.join()


def test_a_secret_is_read_once(google: Google) -> None:
    assert (google.resolve(), google.resolve()) == ("hunter2", "hunter2")
    assert len(google.asked) == 2


def test_a_truncated_answer_is_requested_again_and_then_reported(google: Google) -> None:
    google.cut = True
    with pytest.raises(SecretOutageError, match="cannot be read now: IncompleteRead"):
        google.resolve()
    assert len(google.asked) == 3


@pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 503, 504, 520])
def test_an_outage_may_pass(google: Google, status: int) -> None:
    google.token = (status, b"{}")
    with pytest.raises(SecretOutageError, match=f"{REFERENCE} cannot be read now: HTTP status {status}"):
        google.resolve()
    assert len(google.asked) == 3
    google.token, google.secret = TOKEN, (status, b"{}")
    with pytest.raises(SecretOutageError, match=f"{REFERENCE} cannot be read now: HTTP status {status}"):
        google.resolve()
    # A failure is not remembered.
    google.secret = secret(b"hunter2")
    assert google.resolve() == "hunter2"


@pytest.mark.parametrize("content", [b"", b"<html>", b"{}", b"[]", b"null", b'{"payload": {"data": "x"}}', b"\xff"])
def test_a_broken_answer_may_pass(google: Google, content: bytes) -> None:
    google.secret = (200, content)
    with pytest.raises(SecretOutageError, match="cannot be read now: "):
        google.resolve()
    google.token = (200, content)
    with pytest.raises(SecretOutageError, match="cannot be read now: "):
        google.resolve()


def test_no_connection_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PAUSES_S", (0.01,))
    with free_ports() as port, pytest.raises(SecretOutageError, match="cannot be read now: URLError"):
        resolve(REFERENCE, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("token", "answer", "said"),
    [
        ((404, b""), (200, b""), "this machine has no service account of Google"),
        (TOKEN, (400, b"{}"), "its version is disabled or destroyed"),
        (TOKEN, (401, b"{}"), "Secret Manager Secret Accessor"),
        (TOKEN, (403, b"{}"), "Secret Manager Secret Accessor"),
        (TOKEN, (404, b"{}"), "does not exist"),
        (TOKEN, (409, b"{}"), "HTTP status 409"),
        (TOKEN, secret(b""), "is empty"),
        (TOKEN, secret(b"\xff"), "UnicodeDecodeError"),
    ],
)
def test_a_refusal_does_not_pass(
    google: Google, token: tuple[int, bytes], answer: tuple[int, bytes], said: str
) -> None:
    google.token, google.secret = token, answer
    with pytest.raises(SecretError, match=said) as caught:
        google.resolve()
    assert not isinstance(caught.value, SecretOutageError)
    # Asking again is of no use.
    assert len(google.asked) == 1 + (token == TOKEN)


def test_a_name_that_no_secret_can_have_does_not_pass(google: Google) -> None:
    google.secret = (400, b"{}")
    with pytest.raises(SecretError, match="or its name is invalid") as caught:
        google.resolve("gsm:projects/p/secrets/pässword?x")
    assert not isinstance(caught.value, SecretOutageError)
    assert google.asked[-1] == "/v1/projects/p/secrets/p%C3%A4ssword%3Fx/versions/latest:access"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("file:{folder}/missing", "FileNotFoundError"),
        ("file:{folder}", "IsADirectoryError"),
        ("file:{folder}/file/below", "NotADirectoryError"),
        (f"file:/{'a' * 300}", "OSError"),
        ("file:{folder}/null\0", "ValueError"),
        ("file:~no-such-user/password", "RuntimeError"),
        ("file:{folder}/file", "is empty"),
        ("env:TANDEM_TEST_MISSING", "is empty"),
    ],
)
def test_a_reference_without_a_secret_does_not_pass(tmp_path: Path, reference: str, said: str) -> None:
    (tmp_path / "file").touch()
    reference = reference.format(folder=tmp_path)
    with pytest.raises(SecretError, match=said) as caught:
        resolve(reference)
    assert not isinstance(caught.value, SecretOutageError)
    with pytest.raises(EnvironmentNotReadyError, match=said):
        connections.resolve(reference)


@pytest.mark.parametrize(("number", "passes"), [(errno.EIO, True), (errno.ESTALE, True), (errno.EACCES, False)])
def test_a_mount_that_does_not_answer_may_pass(monkeypatch: pytest.MonkeyPatch, number: int, passes: bool) -> None:
    def read(*_: object) -> str:
        raise OSError(number, "for this test")

    monkeypatch.setattr(Path, "read_text", read)
    with pytest.raises(SecretError, match="the secret file:/mount/password cannot be read") as caught:
        resolve("file:/mount/password")
    assert isinstance(caught.value, SecretOutageError) == passes


def kafka_job(google: Google) -> JobConfig:
    return _at(google, replace(job_config("p"), kafka=replace(job_config("p").kafka, username="u", password=REFERENCE)))


def mongo_job(google: Google) -> JobConfig:
    mongo = replace(job_config("p").mongo, uri="mongodb://host", username="u", password=REFERENCE)
    return _at(google, replace(job_config("p"), mongo=mongo))


def _at(google: Google, config: JobConfig) -> JobConfig:
    return replace(config, metadata_url=google.url, secret_manager_url=google.url, final_exit_code=0)


JOBS = pytest.mark.parametrize(("config_at", "render"), [(kafka_job, kafka_options), (mongo_job, mongo_uri)])
OUTCOMES = pytest.mark.parametrize(("status", "code"), [(503, FAILED), (403, MUST_NOT_GO_ON), (404, MUST_NOT_GO_ON)])


@JOBS
@OUTCOMES
def test_a_job_is_restarted_after_an_outage_only(
    google: Google,
    config_at: Callable[[Google], JobConfig],
    render: Callable[[JobConfig], object],
    status: int,
    code: int,
) -> None:
    """The error stands in the text of a failed batch, by which ``failure_of`` decides."""
    google.secret = (status, b"{}")
    with pytest.raises(JobError, match=f"the secret {REFERENCE} ") as caught:
        render(config_at(google))
    assert isinstance(caught.value, CannotGoOnError) == (code == MUST_NOT_GO_ON)
    # A reloaded driver does not wait for other code.
    assert not failure_of_declaration(caught.value).in_code


@JOBS
@OUTCOMES
def test_a_start_without_a_secret_is_reported(
    google: Google,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    config_at: Callable[[Google], JobConfig],
    render: Callable[[JobConfig], object],
    status: int,
    code: int,
) -> None:
    def renders(*_: object) -> None:
        render(config)

    config, reporter, signals = config_at(google), MagicMock(), MagicMock()
    reporter.report.return_value, signals.restart_requested.return_value = True, False
    arguments = Namespace(pipeline="p", config="", fit=False, begin_when=None, stop_when=None)
    replaced = {
        **dict.fromkeys(("record", "StateEvents", "ControlRecordSender", "BatchWriter"), MagicMock()),
        **dict.fromkeys(("remember_java_names", "log_to_stderr", "set_log_levels", "session"), MagicMock()),
        "SignalHandler": lambda: signals,
        "parsed": lambda **_: arguments,
        "loaded": lambda _: PIPELINE,
        "read_with_spark": lambda *_: config,
        "describe": lambda *_: {},
        "changed": lambda *_: None,
        # The progress is read from MongoDB before the query is declared.
        "ProgressReporter": renders if render is mongo_uri else lambda *_: reporter,
        "as_stream": renders,
    }
    for name, replacement in replaced.items():
        monkeypatch.setattr(job, name, replacement)
    google.secret = (status, b"{}")
    with pytest.raises(SystemExit) as ended:
        job.main()
    assert f"the job cannot start: the secret {REFERENCE} " in caplog.text
    # Dataproc restarts a job after every exit code but 0. A job with another one has not reported why it stopped.
    is_reported = render is kafka_options
    assert ended.value.code == (FAILED if code == FAILED else 0 if is_reported else MUST_NOT_GO_ON)
    assert reporter.report.called == is_reported


@pytest.mark.parametrize("status", [503, 403, 404])
def test_a_check_of_a_checkpoint_says_which_secret_is_missing(
    google: Google, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    """The secret may exist where the job runs, so the checkpoint is not to blame."""
    config = kafka_job(google)
    monkeypatch.setattr(job, "changed", lambda *_: None)
    monkeypatch.setattr(job, "as_stream", lambda *_: kafka_options(config))
    google.secret = (status, b"{}")
    assert job.fit(MagicMock(), PIPELINE, config) == FAILED
    assert f"the secret {REFERENCE} " in capsys.readouterr().out
