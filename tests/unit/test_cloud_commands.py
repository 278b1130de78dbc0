"""The commands of the cloud as far as they need none: what they refuse, and what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from tandem.cli import records
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.cli.main import INTERRUPTED
from tandem.errors import TandemError
from tandem.platforms import Job
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.parity import Parity
from tandem.runtimes import runtimes
from tandem.settings.profiles import profiles
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
    for method in ("submit", "wait_until_ready", "restart", "stop", "forget"):
        monkeypatch.setattr(DataprocJob, method, lambda _: ())
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


@pytest.mark.parametrize("missing", ["GCP__PROJECT", "GCP__BUCKET", "MONGO__JOB_PASSWORD"])
def test_a_setting_that_only_the_job_needs_is_named(tmp_path: Path, missing: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != f"TANDEM_{missing}"}
    done = tandem(tmp_path, "--profile", "gcp", "deploy", **settings)
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
    assert "destroy the job of orders_payments and its cluster tandem, unless other jobs run on it" in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "error: not confirmed, so nothing was changed",
        "hint: answer y, or use --yes",
    ]


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


@pytest.mark.parametrize(("stopped", "said"), [(True, "destroyed; topics"), (False, "there was no job or cluster to")])
def test_destroy_says_whether_there_was_anything(cloud: CliRunner, stopped: bool, said: str) -> None:
    with patch.object(DataprocJob, "stop", lambda _: stopped):
        assert said in cloud.invoke(app, ["--profile", "gcp", "destroy", "--yes"]).stderr


@pytest.mark.parametrize(
    ("wait", "said"),
    [("--wait", "is running; `tandem --profile gcp status`"), ("--no-wait", "was submitted; ")],
)
def test_a_submitted_job_is_not_called_running(cloud: CliRunner, wait: str, said: str) -> None:
    assert said in cloud.invoke(app, ["--profile", "gcp", "deploy", wait]).stderr


@pytest.mark.parametrize(
    ("command", "method", "following"),
    [
        (("deploy",), "submit", "deploy"),
        (("deploy",), "wait_until_ready", "deploy"),
        (("submit",), "restart", "deploy"),
        (("up",), "submit", "up"),
        (("destroy", "--yes"), "stop", "destroy"),
        (("destroy", "--yes", "--data"), "forget", "destroy --data"),
    ],
)
@pytest.mark.parametrize("named", [(), ("--pipeline", "orders_payments")])
def test_an_interruption_is_explained(
    cloud: CliRunner, named: tuple[str, ...], command: tuple[str, ...], method: str, following: str
) -> None:
    with (
        patch.object(DataprocJob, method, side_effect=KeyboardInterrupt),
        patch.object(DataprocJob, "unfinished", lambda _: "the old job stops"),
    ):
        done = cloud.invoke(app, ["--profile", "gcp", *named, *command])
    assert done.exit_code == INTERRUPTED
    options = " ".join(("--profile gcp", *named))
    assert done.stderr.splitlines()[-2:] == [
        "error: interrupted: orders_payments: the old job stops",
        f"hint: run `tandem {options} {following}`",
    ]


def test_an_interruption_prints_no_trace_of_a_half_made_object() -> None:
    code = (
        "import os, signal; from tandem.cli.main import interrupt_by_signals\n"
        "interrupt_by_signals()\n"
        "class Call:\n"
        "    def __init__(self): os.kill(os.getpid(), signal.SIGINT); self.state = 1\n"
        "    def __del__(self): self.state\n"
        "try: Call()\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
    usual = code.replace("interrupt_by_signals()", "")
    assert "AttributeError" in subprocess.run([sys.executable, "-c", usual], capture_output=True, text=True).stderr


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


def pasted(page: str) -> list[str]:
    """Returns the blocks of commands of a page."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for language, block in blocks if language in ("", "bash")]


@pytest.mark.parametrize("page", ["guides/gcp.md", "guides/infrastructure.md", "reference/parity.md"])
def test_the_documentations_commands_can_be_pasted(page: str) -> None:
    # An interactive Zsh knows no comments, and an apostrophe in one begins a quotation.
    text = "\n".join(pasted(page))
    assert not re.search(r"(^|\s)#", text)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    exported = {name for line in re.findall(r"^export (.+)$", text, re.M) for name in re.findall(r"(\w+)=", line)}
    assert set(re.findall(r"\$(\w+)", text)) <= exported | {"HOME", "SECRET"}


def test_the_documentations_settings_are_complete(tmp_path: Path) -> None:
    blocks = pasted("guides/gcp.md")
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
