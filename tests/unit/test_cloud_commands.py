"""The commands of the cloud as far as they need none: what they refuse, and what they say."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import pytest
from typer.testing import CliRunner

from tandem.cli import records
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.cli.main import INTERRUPTED, report_unraisable
from tandem.cli.verification import explained_by_job
from tandem.errors import TandemError, UsageError
from tandem.platforms import Job
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.parity import Parity
from tandem.runtimes import runtimes
from tandem.settings.profiles import profiles
from tandem_rehearsal.job import RehearsalJob
from tests import ROOT
from tests.readme import commands_of, run

SETTINGS = {
    "TANDEM_KAFKA__BOOTSTRAP": "127.0.0.1:29949",
    "TANDEM_KAFKA__USERNAME": "key",
    "TANDEM_KAFKA__PASSWORD": "env:NOT_SET",
    "TANDEM_KAFKA__JOB_PASSWORD": "gsm:projects/some-project/secrets/kafka",
    "TANDEM_MONGO__URI": "mongodb://127.0.0.1:29949/",
    "TANDEM_MONGO__USERNAME": "job",
    "TANDEM_MONGO__PASSWORD": "env:NOT_SET",
    "TANDEM_MONGO__JOB_PASSWORD": "gsm:projects/some-project/secrets/mongo",
    "TANDEM_GCP__PROJECT": "some-project",
    "TANDEM_GCP__REGION": "europe-west3",
    "TANDEM_GCP__BUCKET": "some-bucket",
}
# The end of the hint after an interruption that may leave a job behind.
ENDS = "`tandem OPTIONS destroy` ends the job and its costs"
# No login of whoever runs this, and no machine of Google's that would have one.
NOBODY = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "NO_GCE_CHECK": "true"}


def tandem(folder: Path, *arguments: str, answer: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tandem", *arguments],
        cwd=folder,
        env={**NOBODY, **variables},
        input=answer,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands in this process, in a cloud whose jobs do nothing."""
    monkeypatch.chdir(tmp_path)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(CommandContext, "check_conflicts", lambda _: None)
    for module in ("cloud", "lifecycle"):
        monkeypatch.setattr(f"tandem.cli.{module}.warn_of_topics", lambda _: None)
    for method in ("submit", "wait_until_ready", "restart", "stop"):
        monkeypatch.setattr(DataprocJob, method, lambda _: False)
    monkeypatch.setattr(DataprocJob, "forget", lambda _: ())
    return CliRunner()


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Returns what was said, less the line that names the profile."""
    return [line for line in done.stderr.splitlines() if not line.startswith("tandem: ")]


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_what_runs_here_is_not_deployed(tmp_path: Path, command: str) -> None:
    done = tandem(tmp_path, "--profile", "embedded", command)
    assert done.returncode == 2
    error, hint = lines_of(done)
    assert error == "error: the profile embedded runs on this machine and cannot be deployed"
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("command", ["deploy", "destroy"])
@pytest.mark.parametrize("missing", ["GCP__PROJECT", "GCP__BUCKET", "MONGO__JOB_PASSWORD"])
def test_a_setting_that_only_the_job_needs_is_named(tmp_path: Path, missing: str, command: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != f"TANDEM_{missing}"}
    done = tandem(tmp_path, "--profile", "gcp", command, **settings)
    assert done.returncode == 2
    error, hint = lines_of(done)
    assert f"setting {missing.lower().replace('__', '.')} of profile gcp is required but not set" in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("command", [("profile", "show"), ("config", "show", "--json")])
def test_what_is_missing_is_shown_where_nothing_is_set(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = tandem(tmp_path, "--profile", "gcp", *command)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    if command[0] == "profile":
        assert (shown["kafka"]["bootstrap"], shown["mongo"]["job_password"]) == (
            "<kafka.bootstrap>",
            "<mongo.job_password>",
        )
    else:
        assert shown["kafka.bootstrap"] == {"value": "<kafka.bootstrap>", "origin": "missing"}
        assert shown["kafka.security"]["origin"] == "profiles.toml [profile.gcp]"


def test_without_a_login_nothing_is_tried(tmp_path: Path) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "deploy", **SETTINGS)
    assert done.returncode == 3
    assert lines_of(done) == [
        "error: no login for Google Cloud was found",
        "hint: `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    ]


def test_the_doctor_says_what_the_cloud_lacks(tmp_path: Path) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "doctor", "--json", **SETTINGS)
    assert done.returncode == 3
    found = {each["check"]: each for each in json.loads(done.stdout)}
    assert found["settings"]["value"] == "project some-project, region europe-west3"
    assert (found["login"]["state"], found["login"]["value"]) == ("bad", "no login for Google Cloud was found")
    for check in ("roles", "APIs", "network", "bucket", "bucket's costs", "secrets", "cluster", "job", "runtime"):
        assert (found[check]["state"], found[check]["value"]) == ("skipped", "needs the check 'login', which failed")
    assert "env:NOT_SET" in found["Kafka"]["value"]
    for check, needs in (("Kafka's rights", "Kafka"), ("Kafka's clock", "Kafka"), ("MongoDB's clock", "MongoDB")):
        assert (found[check]["state"], found[check]["value"]) == ("skipped", f"needs the check {needs!r}, which failed")
    assert "failed checks: login, Kafka, MongoDB" in done.stderr


@pytest.mark.parametrize("answer", ["", "n\n", "\n"])
def test_to_destroy_without_a_confirmation_destroys_nothing(tmp_path: Path, answer: str) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "destroy", answer=answer, **SETTINGS)
    assert done.returncode == 2
    what = "the job of orders_payments, its reconciliation or replay if one runs, and its cluster tandem, unless other"
    assert f"destroy {what} jobs run on it" in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "error: not confirmed, so nothing was changed",
        "hint: answer y, or use --yes",
    ]


@pytest.mark.parametrize(
    ("protected", "hint"), [("false", "answer y, or use --yes"), ("true", "confirm it: --confirm gcp")]
)
def test_a_question_to_a_closed_input_ends_with_the_option_to_use(tmp_path: Path, protected: str, hint: str) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "tandem", "--profile", "gcp", "destroy"],
        cwd=tmp_path,
        env={**NOBODY, **SETTINGS, "TANDEM_PROTECTED": protected},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"hint: {hint}")
    assert "Traceback" not in done.stderr


def test_all_missing_settings_are_named_at_once(tmp_path: Path) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "status", TANDEM_KAFKA__USERNAME="key")
    error, hint = lines_of(done)
    assert error.startswith("error: settings kafka.bootstrap, kafka.password of profile gcp are required but ")
    assert "TANDEM_KAFKA__BOOTSTRAP, TANDEM_KAFKA__PASSWORD, .env.gcp (not there)" in error
    assert "kafka.username" not in error
    assert hint.startswith("hint: to deploy, also set gcp.project, gcp.region, gcp.bucket, ")
    assert "mongo.job_password" in hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("`tandem up` or `tandem down`", "`tandem --profile staging up` or `tandem --profile staging down`"),
        ("`tandem --pipeline a up`", "`tandem --profile staging --pipeline a up`"),
        ("`tandem --profile gcp up`", "`tandem --profile gcp up`"),
        ("`tandem --help` lists", "`tandem --help` lists"),
        ("the package `tandem`", "the package `tandem`"),
    ],
)
def test_commands_in_messages_have_the_profile_of_the_command(text: str, told: str) -> None:
    assert CommandContext(profile="staging").told(text) == told
    # Without the option, the same profile is chosen again.
    assert CommandContext().told(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("`tandem destroy` stops it", "`tandem --profile gcp --pipeline page_views destroy` stops it"),
        ("`tandem --profile b up`", "`tandem --pipeline page_views --profile b up`"),
        ("`tandem --pipeline NAME run`", "`tandem --profile gcp --pipeline NAME run`"),
        ("`tandem down` without --pipeline", "`tandem --profile gcp down` without --pipeline"),
        ("`tandem new NAME` creates it", "`tandem --profile gcp new NAME` creates it"),
    ],
)
def test_commands_in_messages_have_the_pipeline_of_the_command(text: str, told: str) -> None:
    assert CommandContext("gcp", "page_views").told(text) == told


def test_a_message_about_one_of_several_pipelines_names_only_that_one() -> None:
    several = CommandContext(pipeline="a,b")
    assert several.told("`tandem destroy` and `tandem down` without --pipeline", "b") == (
        "`tandem --pipeline b destroy` and `tandem down` without --pipeline"
    )


def test_an_error_of_one_of_several_pipelines_names_only_that_one(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(job: Job) -> bool:
        raise TandemError(f"{job.settings.pipeline} runs on", hint="`tandem status`")

    monkeypatch.setattr(DataprocJob, "stop", stop)
    said = cloud.invoke(app, ["--pipeline", "orders_payments,segment_revenue", "--profile", "gcp", "destroy", "--yes"])
    for name in ("orders_payments", "segment_revenue"):
        lines = f"error: {name}: {name} runs on\nhint: `tandem --profile gcp --pipeline {name} status`\n"
        assert lines in said.stderr


def test_a_profile_may_have_any_letters_in_a_message() -> None:
    assert CommandContext(profile=r"a\d").told("`tandem up`") == r"`tandem --profile 'a\d' up`"


@pytest.mark.parametrize(("stopped", "said"), [(True, "destroyed; topics"), (False, "there was no job or cluster to")])
def test_destroy_says_whether_there_was_anything(cloud: CliRunner, stopped: bool, said: str) -> None:
    with patch.object(DataprocJob, "stop", lambda _: stopped):
        assert said in cloud.invoke(app, ["--profile", "gcp", "destroy", "--yes"]).stderr


@pytest.mark.parametrize(
    ("wait", "said"),
    [("--wait", "is running; `tandem --profile gcp status`"), ("--no-wait", "\nwas left alone; `tandem ")],
)
def test_a_job_is_called_running_only_if_that_is_known(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, wait: str, said: str
) -> None:
    monkeypatch.setattr(DataprocJob, "submit", lambda job: setattr(job.changes, "job", "was left alone"))
    assert said in cloud.invoke(app, ["--profile", "gcp", "deploy", wait]).stderr


@pytest.mark.parametrize(
    ("command", "method", "hint"),
    [
        (("deploy",), "submit", f"`tandem OPTIONS deploy` continues, {ENDS}"),
        (("deploy",), "wait_until_ready", f"`tandem OPTIONS deploy` continues, {ENDS}"),
        (("submit",), "restart", f"`tandem OPTIONS deploy` continues, {ENDS}"),
        (("up",), "submit", f"`tandem OPTIONS up` continues, {ENDS}"),
        (("up",), "status", f"`tandem OPTIONS up` continues, {ENDS}"),
        (("destroy", "--yes"), "stop", "run `tandem OPTIONS destroy` again to end the costs"),
        (("destroy", "--yes", "--data"), "forget", "run `tandem OPTIONS destroy --data` again to end the costs"),
    ],
)
@pytest.mark.parametrize("named", [(), ("--pipeline", "orders_payments")])
def test_an_interruption_is_explained(
    cloud: CliRunner, named: tuple[str, ...], command: tuple[str, ...], method: str, hint: str
) -> None:
    def interrupt(job: DataprocJob) -> None:
        job.changes.job = "the old job stops"
        raise KeyboardInterrupt

    with patch.object(DataprocJob, method, interrupt):
        done = cloud.invoke(app, ["--profile", "gcp", *named, *command])
    assert done.exit_code == INTERRUPTED
    options = " ".join(("--profile gcp", *named))
    assert done.stderr.splitlines()[-2:] == [
        "error: interrupted: orders_payments: the old job stops",
        f"hint: {hint.replace('OPTIONS', options)}",
    ]


@pytest.mark.parametrize(
    ("command", "method", "hint"),
    [
        (("deploy",), "submit", "`tandem OPTIONS deploy` continues, `tandem OPTIONS destroy` ends the job"),
        (("up",), "submit", "`tandem OPTIONS up` continues, `tandem OPTIONS destroy` ends the job"),
        (("destroy", "--yes"), "stop", "run `tandem OPTIONS destroy` again"),
    ],
)
def test_a_rehearsal_that_does_not_end_speaks_of_no_costs(
    cloud: CliRunner, command: tuple[str, ...], method: str, hint: str
) -> None:
    ends: list[BaseException] = [KeyboardInterrupt(), TandemError(FAILED, hint="")]

    def end(job: RehearsalJob) -> None:
        job.changes.cluster = job.changes.with_costs("the cluster tandem runs")
        raise ends.pop(0)

    hint = hint.replace("OPTIONS", "--profile rehearsal")
    state = "orders_payments: no job was stopped or submitted; the cluster tandem runs"
    with patch.object(RehearsalJob, method, end):
        interrupted = cloud.invoke(app, ["--profile", "rehearsal", *command]).stderr
        failed = cloud.invoke(app, ["--profile", "rehearsal", *command]).exception
    assert interrupted.splitlines()[-2:] == [f"error: interrupted: {state}", f"hint: {hint}"]
    assert getattr(failed, "__notes__", []) == [f"so far: {state}; {hint.rpartition(', ')[2]}"]


@pytest.mark.parametrize(
    ("profile", "end"), [("gcp", "destroy` stops it and its costs"), ("rehearsal", "destroy` stops it")]
)
def test_a_deployment_says_what_ends_its_costs_if_there_are_any(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, profile: str, end: str
) -> None:
    for method in ("submit", "wait_until_ready"):
        monkeypatch.setattr(RehearsalJob, method, lambda _: None)
    said = cloud.invoke(app, ["--profile", profile, "deploy"]).stderr
    assert said.splitlines()[-1].endswith(end)


FAILED = "the job failed"


def fail(job: DataprocJob) -> None:
    """Fails after a change that costs money."""
    job.changes.job = "the old job has stopped"
    raise TandemError(FAILED, hint="`tandem logs`")


@pytest.mark.parametrize(
    ("command", "method", "way"),
    [
        (("deploy",), "submit", ENDS),
        (("deploy",), "wait_until_ready", ENDS),
        (("submit",), "restart", ENDS),
        (("up",), "submit", ENDS),
        (("up",), "status", ENDS),
        (("destroy", "--yes"), "stop", "run `tandem OPTIONS destroy` again to end the costs"),
        (("destroy", "--yes", "--data"), "forget", "run `tandem OPTIONS destroy --data` again to end the costs"),
    ],
)
def test_an_error_also_says_what_was_changed(cloud: CliRunner, command: tuple[str, ...], method: str, way: str) -> None:
    with patch.object(DataprocJob, method, fail):
        error = cloud.invoke(app, ["--profile", "gcp", *command]).exception
    assert isinstance(error, TandemError)
    assert (str(error), error.hint) == (FAILED, "`tandem --profile gcp logs`")
    said = f"so far: orders_payments: the old job has stopped; {way.replace('OPTIONS', '--profile gcp')}"
    assert error.__notes__ == [said]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"data": "topics"}, ["so far: orders_payments: no job was stopped or submitted; topics"]),
    ],
)
def test_an_error_before_anything_costs_money_names_no_command_that_ends_the_costs(
    cloud: CliRunner, changes: dict[str, str], said: list[str]
) -> None:
    def fail_early(job: DataprocJob) -> None:
        vars(job.changes).update(changes)
        raise TandemError(FAILED, hint="")

    with patch.object(DataprocJob, "submit", fail_early):
        error = cloud.invoke(app, ["--profile", "gcp", "deploy"]).exception
    assert getattr(error, "__notes__", []) == said


def test_an_error_of_several_pipelines_says_what_was_changed_of_those_that_were(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(job: DataprocJob) -> None:
        if job.settings.pipeline == "orders_payments":
            fail(job)
        raise TandemError(FAILED, hint="")

    monkeypatch.setattr(DataprocJob, "submit", submit)
    named = "--profile gcp --pipeline orders_payments,segment_revenue"
    error = cloud.invoke(app, [*named.split(), "deploy"]).exception
    assert error is not None
    assert error.__notes__ == [f"so far: orders_payments: the old job has stopped; {ENDS.replace('OPTIONS', named)}"]


def test_what_was_changed_is_printed_after_the_error(tmp_path: Path) -> None:
    code = (
        "from tandem.cli import main; from tandem.cli.context import CommandContext; "
        "from tests.unit.test_cloud_commands import DataprocJob, fail; "
        "CommandContext.check_conflicts = lambda _: None; DataprocJob.submit = fail; main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--profile", "gcp", "deploy"],
        cwd=tmp_path,
        env={**NOBODY, **SETTINGS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, lines_of(done)) == (
        1,
        [
            f"error: {FAILED}",
            "hint: `tandem --profile gcp logs`",
            f"so far: orders_payments: the old job has stopped; {ENDS.replace('OPTIONS', '--profile gcp')}",
        ],
    )


@pytest.mark.parametrize(
    ("command", "method", "way"),
    [
        (("reconcile",), "reconcile", "`tandem --profile gcp reconcile` waits for its end and prints its report"),
        (
            ("replay", "--since", "1d", "--into", "v2"),
            "replay",
            "`tandem --profile gcp verify --into v2` compares its documents when it has ended",
        ),
        (
            ("replay", "--since", "1d"),
            "replay",
            "`tandem --profile gcp verify` compares its documents when it has ended",
        ),
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_a_batch_that_continues_without_its_command_is_named(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], method: str, way: str, running: bool
) -> None:
    ends: list[BaseException] = [KeyboardInterrupt(), TandemError(FAILED, hint="")]

    def end(job: DataprocJob, *_: object) -> None:
        job.changes.batch = "the batch continues" if running else ""
        raise ends.pop(0)

    monkeypatch.setattr(DataprocJob, method, end)
    # What comes before the batch needs MongoDB and Kafka.
    monkeypatch.setattr("tandem.cli.replay.replay_and_verify", lambda _, job, *__, **___: job.replay(None))
    interrupted = cloud.invoke(app, ["--profile", "gcp", *command])
    assert interrupted.exit_code == INTERRUPTED
    told = ["error: interrupted: orders_payments: the batch continues", f"hint: {way}"]
    assert interrupted.stderr.splitlines()[1:] == (told if running else [])
    failed = cloud.invoke(app, ["--profile", "gcp", *command]).exception
    notes = [f"so far: orders_payments: the batch continues; {way}"] if running else []
    assert (str(failed), getattr(failed, "__notes__", [])) == (FAILED, notes)


def test_a_submit_that_was_interrupted_before_it_reached_the_job_is_repeated(cloud: CliRunner) -> None:
    """A deployment would leave a job of the same version alone."""
    with patch.object(DataprocJob, "restart", Mock(side_effect=KeyboardInterrupt)):
        said = cloud.invoke(app, ["--profile", "gcp", "submit"]).stderr
    assert said.splitlines()[-2:] == [
        "error: interrupted: orders_payments: nothing was changed",
        f"hint: `tandem --profile gcp submit` continues, {ENDS.replace('OPTIONS', '--profile gcp')}",
    ]


@pytest.mark.parametrize("command", [("deploy",), ("submit",), ("up", "--wait")])
def test_an_interruption_after_the_first_batch_is_explained(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    for module in ("cloud", "lifecycle"):
        monkeypatch.setattr(f"tandem.cli.{module}.warn_of_topics", Mock(side_effect=KeyboardInterrupt))
    done = cloud.invoke(app, ["--profile", "gcp", *command])
    assert done.exit_code == INTERRUPTED
    assert done.stderr.splitlines()[-1].endswith(ENDS.replace("OPTIONS", "--profile gcp"))


def test_the_way_on_names_a_profile_that_was_chosen_because_it_ran(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TANDEM_PROFILE", raising=False)
    monkeypatch.setattr("tandem.cli.context.default_profile", lambda: ("gcp", "it runs here"))
    with patch.object(DataprocJob, "stop", Mock(side_effect=KeyboardInterrupt)):
        said = cloud.invoke(app, ["destroy", "--yes"]).stderr
    assert said.splitlines()[-1] == "hint: run `tandem --profile gcp destroy` again to end the costs"


@pytest.mark.parametrize(
    ("command", "state", "hint"),
    [
        ("up", "services and jobs may be running", "`tandem OPTIONS up` continues, `tandem OPTIONS down` stops them"),
        ("submit", "the job may have stopped, or be restarting", "`tandem OPTIONS status` shows its state"),
    ],
)
def test_an_interruption_of_a_local_environment_is_explained(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, command: str, state: str, hint: str
) -> None:
    for method in ("submit", "restart"):
        monkeypatch.setattr(EmbeddedJob, method, Mock(side_effect=KeyboardInterrupt))
    options = "--profile embedded --pipeline orders_payments"
    done = cloud.invoke(app, [*options.split(), command])
    assert done.exit_code == INTERRUPTED
    assert done.stderr.splitlines()[-2:] == [
        f"error: interrupted: {state}",
        f"hint: {hint.replace('OPTIONS', options)}",
    ]


@pytest.mark.parametrize("module", ["traceback", "structlog", "typer", "tandem.settings.profiles"])
@pytest.mark.parametrize("program", [("-m", "tandem"), ("-c", "from tandem.cli.main import main; main()")])
def test_an_interruption_of_the_start_prints_no_trace(tmp_path: Path, program: tuple[str, ...], module: str) -> None:
    """It comes when Python begins to import a module."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def interrupt(event, details):\n"
        f"    if event == 'import' and details[0] == '{module}':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
    )
    done = subprocess.run(
        [sys.executable, *program, "profile", "list"],
        env={**NOBODY, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


HALF_MADE = """
import os, signal
from tandem.cli.main import interrupt_by_signals
interrupt_by_signals()
__name__ = "grpc._channel"
class Call:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGINT)
        self.state = 1
    def __del__(self):
        self.state
try:
    Call()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    ("usual", "changed"),
    [
        # Without the signal handlers, in an object of ours, and for another error.
        ("interrupt_by_signals()\n__", "__"),
        ("grpc._channel", "tandem.call"),
        ("        self.state\n", "        1 / 0\n"),
    ],
)
def test_an_interruption_prints_no_trace_of_a_half_made_object_of_grpc(usual: str, changed: str) -> None:
    def ended(code: str) -> tuple[str, str]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    assert ended(HALF_MADE) == ("interrupted\n", "")
    assert usual in HALF_MADE
    assert "Exception ignored in" in ended(HALF_MADE.replace(usual, changed))[1]


@pytest.mark.parametrize(("module", "reported"), [("grpc._channel", False), ("tandem.call", True)])
def test_python_3_14_names_the_half_made_object_only_in_its_message(
    monkeypatch: pytest.MonkeyPatch, module: str, reported: bool
) -> None:
    names: dict[str, Any] = {"__name__": module}
    exec("def __del__(self):\n    self.state", names)
    with pytest.raises(AttributeError) as raised:
        names["__del__"](None)
    # Without the frame of this test, which Python's own call of the function does not have.
    trace = raised.value.__traceback__ and raised.value.__traceback__.tb_next
    ignored = SimpleNamespace(exc_value=raised.value, exc_traceback=trace, object=None)
    seen: list[object] = []
    monkeypatch.setattr(sys, "__unraisablehook__", seen.append)
    report_unraisable(ignored)
    assert seen == ([ignored] if reported else [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("protected", ["false", "true"])
def test_an_interrupted_question_ends_the_command_as_everywhere(
    tmp_path: Path, number: signal.Signals, protected: str
) -> None:
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "tandem", "--profile", "gcp", "destroy"],
        cwd=tmp_path,
        env={**NOBODY, **SETTINGS, "TANDEM_PROTECTED": protected},
        stdin=theirs,
        stderr=subprocess.PIPE,
    )
    assert asked.stderr is not None
    said = b""
    while not said.endswith((b"[y/N]: ", b"type its name to continue: ")):
        said += os.read(asked.stderr.fileno(), 1024)
    asked.send_signal(number)
    assert asked.communicate(timeout=30)[1] == b"\n"
    assert asked.returncode == INTERRUPTED
    os.close(ours)
    os.close(theirs)


def test_a_comparison_of_versions_has_a_header(cloud: CliRunner) -> None:
    table = Parity(runtimes().default, (("spark", "4.2.0", "4.2.0"),), ())
    with patch("tandem.cli.cloud.compared", lambda _: table):
        shown = cloud.invoke(app, ["--profile", "gcp", "parity"]).stdout
    assert shown == "component\tjob\tcloud\nspark\t4.2.0\t4.2.0\n"


def test_the_plan_has_a_job_for_each_pipeline_on_one_cluster(tmp_path: Path) -> None:
    both = {"TANDEM_PIPELINE": "orders_payments,segment_revenue"}
    done = tandem(tmp_path, "--profile", "gcp", "deploy", "--plan", "--json", **SETTINGS, **both)
    assert done.returncode == 0, done.stderr
    plans = [json.loads(line) for line in done.stdout.splitlines()]
    jobs = [call["about"]["job"] for plan in plans for call in plan["calls"] if call["method"] == "SubmitJob"]
    assert [job["labels"]["tandem"] for job in jobs] == ["orders-payments", "segment-revenue"]
    assert {job["placement"]["clusterName"] for job in jobs} == {"tandem"}


def test_the_plan_itself_names_the_missing_settings(tmp_path: Path) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "deploy", "--plan")
    assert done.returncode == 0, done.stderr
    # A workflow's comment has the standard output only.
    last = done.stdout.splitlines()[-1]
    assert last.startswith("to deploy, set these in .env.gcp: ")
    assert "gcp.project" in last


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"TANDEM_KAFKA__JOB_PASSWORD": "env:SECRET"}, "kafka.job_password is env:SECRET, which is not on the cluster"),
        # What is missing does not hide what is wrong.
        (
            {"TANDEM_KAFKA__JOB_PASSWORD": "env:SECRET", "TANDEM_MONGO__JOB_PASSWORD": ""},
            "kafka.job_password is env:SECRET, which is not on the cluster",
        ),
        ({}, None),
    ],
)
def test_the_plan_says_what_deploy_would_refuse(
    cloud: CliRunner, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], refused: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = cloud.invoke(app, ["--profile", "gcp", "deploy", "--plan"]).stdout
    said = [line for line in shown.splitlines() if "would refuse" in line]
    begin = "warning: `tandem --profile gcp deploy` would refuse: "
    assert [line.removeprefix(begin).partition(";")[0] for line in said] == ([refused] if refused else [])


def test_json_without_a_plan_deploys_nothing(cloud: CliRunner) -> None:
    with patch.object(DataprocJob, "submit", Mock(side_effect=AssertionError)):
        error = cloud.invoke(app, ["--profile", "gcp", "deploy", "--json"]).exception
    assert isinstance(error, UsageError)
    assert error.hint == "`tandem --profile gcp deploy --plan --json`"


def test_down_does_not_reach_into_the_cloud(tmp_path: Path) -> None:
    done = tandem(tmp_path, "--profile", "gcp", "down", "--volumes", **SETTINGS)
    assert done.returncode == 2
    assert lines_of(done)[1] == "hint: use `tandem --profile gcp destroy`"


@pytest.mark.parametrize(
    ("profile", "before", "now", "stopped"),
    [
        ("gcp", [], ["a", "b"], ["a", "b"]),
        # A job that failed is not active, but its cluster may still exist.
        ("gcp", [], ["b"], ["a", "b"]),
        ("gcp", ["a"], ["a", "b"], ["b"]),
        ("rehearsal", [], ["a", "b"], ["a", "b"]),
        ("embedded", [], ["a", "b"], ["the environment"]),
        ("embedded", ["a"], ["a", "b"], ["b"]),
        ("embedded", ["a"], ["a"], []),
    ],
)
def test_run_stops_every_job_that_it_started(
    monkeypatch: pytest.MonkeyPatch, profile: str, before: list[str], now: list[str], stopped: list[str]
) -> None:
    names = {"a": "orders_payments", "b": "segment_revenue"}
    for name, value in SETTINGS.items() if profile == "gcp" else ():
        monkeypatch.setenv(name, value)
    context = CommandContext(profile, ",".join(names.values()))
    done: list[str] = []
    environment, job = type(context.environment), type(context.job)
    monkeypatch.setattr(environment, "pipelines", lambda _: [names[each] for each in now])
    monkeypatch.setattr(environment, "stop", lambda _: done.append("the environment"))
    monkeypatch.setattr(job, "stop", lambda each: done.append(each.settings.pipeline))
    records.stop_started(context, [names[each] for each in before])
    assert done == [names.get(each, each) for each in stopped]


def test_a_job_that_cannot_be_stopped_does_not_keep_another_one_running(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    context = CommandContext("gcp", "orders_payments,segment_revenue")
    done: list[str] = []

    def stop(job: Job) -> None:
        done.append(job.settings.pipeline)
        if len(done) == 1:
            raise TandemError("Dataproc does not answer", hint="try again")

    monkeypatch.setattr(type(context.job), "stop", stop)
    with pytest.raises(TandemError, match="failed for orders_payments"):
        records.stop_started(context, [])
    assert done == ["orders_payments", "segment_revenue"]


def test_the_plan_in_the_documentation_works() -> None:
    (command,) = commands_of("guides/gcp.md")
    done = run(command, {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    assert "SubmitJob" in done.stdout
    assert "plan only: nothing was called or changed" in done.stderr


# They read from the terminal, so they would take the next pasted line as their answer.
ASKING = re.compile(
    r"^(tandem .*\bdestroy\b|terraform .*\b(apply|destroy)\b|confluent login|read |gcloud (?!storage).*\bdelete\b|"
    r"gcloud (auth .*login|billing projects link))",
    re.MULTILINE,
)


def pasted(text: str) -> list[tuple[str, str]]:
    """Returns the blocks of commands of a page, each with the paragraph before it."""
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    blocks = [(text[: each.start()].rstrip().rpartition("\n\n")[2], *each.groups()) for each in found]
    return [(before, block) for before, language, block in blocks if language in ("", "bash")]


def unpastable(text: str) -> list[str]:
    """Returns why the blocks of commands of a page cannot be pasted."""
    problems, known = [], {"HOME"}
    for before, block in pasted(text):
        # An interactive Zsh knows no comments, and an apostrophe in one begins a quotation.
        if re.search(r"(^|\s)#", block):
            problems.append(f"a comment: {block}")
        if subprocess.run(["bash", "-n"], input=block, text=True, check=False, capture_output=True).returncode:
            problems.append(f"no commands: {block}")
        *early, _ = block.strip().splitlines()
        if ASKING.search("\n".join(early)) and "by itself" not in " ".join(before.split()):
            problems.append(f"a question in between: {block}")
        for line in block.splitlines():
            read = {} if line.startswith("read ") else set(re.findall(r"\$\{?([A-Za-z]\w*)", line))
            if unset := sorted({*read} - known):
                problems.append(f"not set: {', '.join(unset)}")
            known |= set(re.findall(r"(\w+)=", line)) if line.startswith("export ") else set()
    return problems


@pytest.mark.parametrize(
    "page",
    ["guides/gcp.md", "guides/infrastructure.md", "guides/profiles.md", "guides/recovery.md", "reference/parity.md"],
)
def test_the_documentations_commands_can_be_pasted(page: str) -> None:
    assert unpastable((ROOT / "docs" / page).read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("echo ${NAME}\n```\n\nThen:\n\n```\nexport NAME=a", "not set: NAME"),
        ("echo $NAME\nexport NAME=a", "not set: NAME"),
        ("export NAME=a\n```\n\nThen:\n\n```\necho ${NAME}", None),
        ("gcloud auth login\necho", "a question in between: "),
        ("terraform init\nterraform apply", None),
        ("db.a.deleteMany({})", "no commands: "),
        ("echo # it's one", "a comment: "),
    ],
)
def test_a_block_that_cannot_be_pasted_is_found(block: str, problem: str | None) -> None:
    found = unpastable(f"Do this:\n\n```\n{block}\n```\n")
    assert found[:1] == [] if problem is None else found[0].startswith(problem)
    assert not [each for each in unpastable(f"Each by itself:\n\n```\n{block}\n```\n") if "question" in each]


def test_a_wrong_suffix_is_reported_also_if_the_job_has_failed() -> None:
    job = Mock(**{"problem.return_value": "the job failed"})
    with pytest.raises(UsageError, match="no replay"), explained_by_job(job):
        raise UsageError("no replay has written them", hint="")
    with pytest.raises(TandemError, match="the job failed") as told, explained_by_job(job):
        raise TandemError("MongoDB and the topics differ", hint="")
    # `down` stops all pipelines, and is not available in the cloud.
    assert told.value.hint == "after fixing it, run `tandem submit`; the job resumes where it stopped"


def test_the_documentations_settings_are_complete(tmp_path: Path) -> None:
    blocks = [block for _, block in pasted((ROOT / "docs" / "guides" / "gcp.md").read_text("utf-8"))]
    lines = [line for block in blocks for line in block.splitlines()]
    exports = [line for line in lines if line.startswith("export ") and "_FILE" not in line]
    (settings,) = (block for block in blocks if block.startswith("cat > .env.gcp"))
    subprocess.run(["bash", "-eu"], input="\n".join((*exports, settings)), text=True, check=True, cwd=tmp_path)
    plan = json.loads(tandem(tmp_path, "--profile", "gcp", "deploy", "--plan", "--json").stdout)
    assert (plan["not_set"], plan["warnings"]) == ([], [])
    (job,) = (call["about"] for call in plan["calls"] if call["method"] == "SubmitJob")
    assert job["projectId"] == "my-project"


def test_the_rehearsal_differs_from_the_cloud_by_addresses_and_credentials() -> None:
    cloud, rehearsal = profiles()["gcp"].values, profiles()["rehearsal"].values
    places = {
        "kafka": {"port", "controller_port", "username", "password", "job_password", "ca", "replication_factor"},
        "mongo": {"port", "options", "username", "password", "job_password", "ca"},
        "gcp": {"project", "region", "bucket", "service_account", "rehearsal_port"},
        "job": {"trigger_seconds"},
        "ui": {"dashboard_port", "spark_port"},
    }
    own = {"backend", "description", "required", "required_to_deploy", "required_serverless"}
    for section in (cloud.keys() | rehearsal.keys()) - own:
        ours, theirs = rehearsal.get(section, {}), cloud.get(section, {})
        if not isinstance(ours, dict):
            assert ours == theirs
            continue
        differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
        assert differing <= places.get(section, set()), section


def test_what_differs_from_the_table_is_named() -> None:
    told = {"spark": "4.2.0", "java": "17.0.15", "python": "3.13.5", "scala": "2.13.16"}
    assert runtimes().default.differences(told) == ["java 17.0.15, not 25"]
