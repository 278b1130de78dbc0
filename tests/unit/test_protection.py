"""A protected profile's name is needed for what loses data or sends generated records."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tandem.cli import records
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.errors import TandemError, UsageError
from tandem.platforms.dataproc.environment import DataprocEnvironment
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.local_services.layout import Layout
from tandem.scaffold import write
from tandem.settings.load import load
from tests.unit.test_cloud_commands import SETTINGS

# What a new command must be sorted into.
ASKING = {"up", "down", "submit", "run", "produce", "replay", "dev", "deploy", "destroy"}
HARMLESS = {
    *("verify", "reconcile", "diff", "status", "logs", "profile", "config", "doctor", "bench", "init", "new"),
    *("schemas", "shell", "parity"),
}
PROFILES = """
[profile.production]
like = "gcp"
protected = true
[profile.server]
like = "embedded"
protected = true
[profile.server.kafka]
port = 29952
[profile.laptop]
like = "server"
protected = false
[profile.staging]
like = "production"
protected = false
[profile.shared]
like = "staging"
"""


class ReachedError(TandemError):
    """What stands in for a command's first change."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)
    Path("tandem.toml").write_text(PROFILES)


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets every first change of a command raise ``ReachedError``; the cloud has its settings."""

    def reached(*_: object, **__: object) -> Any:
        raise ReachedError("reached", hint="")

    for profile in ("production", "shared", "staging"):
        Path(f".env.{profile}").write_text("".join(f"{name}={value}\n" for name, value in SETTINGS.items()))
    with Path(".env.staging").open("a") as variables:
        variables.write("TANDEM_KAFKA__BOOTSTRAP=pkc-1:9092\nTANDEM_MONGO__DATABASE=staging\n")
    monkeypatch.setattr(CommandContext, "check_conflicts", lambda _: None)
    monkeypatch.setattr(DataprocEnvironment, "pipelines", lambda _: [])
    monkeypatch.setattr(records, "make_plan", reached)
    monkeypatch.setattr(records, "_watermark", lambda _: None)
    for job in (DataprocJob, EmbeddedJob):
        for method in ("submit", "restart", "stop", "reconcile"):
            monkeypatch.setattr(job, method, reached)
    # `run` ignores them while it stops what it has started.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def outcome(*arguments: str) -> Exception | None:
    """Returns the error of a command in this process, which has no terminal."""
    result = CliRunner().invoke(app, arguments)
    error = result.exception
    return error if isinstance(error, Exception) else None


def tandem(*arguments: str, terminal: str | None = None, **more: str) -> tuple[int, str]:
    """Returns exit code and standard error of a command, at a terminal at which somebody types, or without one."""
    ours, theirs = pty.openpty()
    if terminal is not None:
        os.write(ours, terminal.encode())
    done = subprocess.run(
        (sys.executable, "-m", *arguments),
        env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], "NO_GCE_CHECK": "true", **more},
        stdin=subprocess.DEVNULL if terminal is None else theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    return done.returncode, done.stderr


def test_every_command_is_asked_for_or_harmless() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    asking = {name for name, command in commands.items() if any("--confirm" in each.opts for each in command.params)}
    assert asking == ASKING
    assert set(commands) - asking == HARMLESS


@pytest.mark.parametrize("command", [("run",), ("produce",), ("submit",), ("dev",)])
def test_a_command_of_a_local_profile_asks(changes: None, command: tuple[str, ...]) -> None:
    refused = outcome("--profile", "server", *command)
    assert isinstance(refused, UsageError)
    assert str(refused).startswith("the profile server is protected, and this would ")
    assert refused.hint == "confirm it: --confirm server"
    assert "is not the name" in str(outcome("--profile", "server", *command, "--confirm", "laptop"))
    assert isinstance(outcome("--profile", "server", *command, "--confirm", "server"), ReachedError)
    # Nothing but the protection has stopped it, and it is not inherited where it is lifted.
    assert isinstance(outcome("--profile", "laptop", *command), ReachedError)
    assert "is not the name" in str(outcome("--profile", "laptop", *command, "--confirm", "server"))


@pytest.mark.parametrize("command", [("destroy", "--yes"), ("destroy", "--yes", "--data"), ("run",), ("produce",)])
def test_a_command_of_a_cloud_profile_asks(changes: None, command: tuple[str, ...]) -> None:
    refused = outcome("--profile", "production", *command)
    assert isinstance(refused, UsageError)
    assert refused.hint == "confirm it: --confirm production"
    assert isinstance(outcome("--profile", "production", *command, "--confirm", "production"), ReachedError)
    assert isinstance(outcome("--profile", "staging", *command), ReachedError)


@pytest.mark.parametrize("command", ["submit", "deploy", "up"])
def test_a_job_is_replaced_unasked_only_by_a_version_that_was_checked(
    changes: None, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def answer(doubt: Callable[[], str | None]) -> Exception | None:
        monkeypatch.setattr(DataprocJob, "doubt", lambda _: doubt())
        return outcome("--profile", "production", command)

    def refuse() -> str | None:
        raise TandemError("this version cannot resume from the checkpoint", hint="")

    assert isinstance(answer(lambda: None), ReachedError)
    refused = answer(lambda: "there is no Java")
    assert isinstance(refused, UsageError)
    assert "replace a job unchecked (orders_payments: there is no Java)" in str(refused)
    assert isinstance(outcome("--profile", "production", command, "--confirm", "production"), ReachedError)
    # A confirmation makes no version fit.
    assert "cannot resume" in str(answer(refuse))
    assert "cannot resume" in str(outcome("--profile", "production", command, "--confirm", "production"))
    # An unprotected profile is asked nothing, and checked once: by the deployment.
    assert isinstance(outcome("--profile", "staging", command), ReachedError)


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ("", "127.0.0.1:29949"),
        ("TANDEM_MONGO__DATABASE=other", "127.0.0.1:29949"),
        ("TANDEM_KAFKA__BOOTSTRAP=pkc-1:9092", "ecommerce_mart in 127.0.0.1:29949"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [("destroy", "--data", "--yes"), ("run",), ("produce",), ("deploy",), ("submit",), ("up",), ("reconcile",)],
)
def test_what_a_protected_profile_shares_is_protected_with_it(
    changes: None, command: tuple[str, ...], own: str, named: str
) -> None:
    with Path(".env.shared").open("a") as variables:
        variables.write(f"{own}\n")
    for name in ((), ("--confirm", "shared"))[: 1 + (command[0] in ASKING)]:
        refused = outcome("--profile", "shared", *command, *name)
        assert isinstance(refused, UsageError)
        assert str(refused).startswith(f"shared and the protected production share {named}, and this would ")
    # With a Kafka and a database of its own, or where nothing happens to data.
    assert isinstance(outcome("--profile", "staging", *command), ReachedError)
    assert isinstance(outcome("--profile", "shared", "destroy", "--yes"), ReachedError)


@pytest.mark.parametrize(
    ("kafka", "uri", "named"),
    [
        ("other-1:9092, PKC-9:9092", "mongodb://other/", "pkc-9:9092"),
        ("pkc-8:9092,other-1:9092", "mongodb://other/", "pkc-8:9092"),
        ("other-1:9092", "mongodb+srv://Cluster.Example.net/?retryWrites=true", "mart in cluster.example.net:27017"),
        ("other-1:9092", "mongodb://other:1,cluster.example.net:27017/", "mart in cluster.example.net:27017"),
        ("other-1:9092", "mongodb://cluster.example.net:27018/", None),
        ("pkc-8:9093", "mongodb://other/cluster.example.net", None),
    ],
)
def test_an_address_is_shared_however_it_is_written(changes: None, kafka: str, uri: str, named: str | None) -> None:
    written = {"production": ("pkc-8:9092,pkc-9:9092", "mongodb+srv://cluster.example.net"), "staging": (kafka, uri)}
    for profile, (theirs, mongo) in written.items():
        values = {"KAFKA__BOOTSTRAP": theirs, "MONGO__URI": mongo, "MONGO__DATABASE": "mart"}
        with Path(f".env.{profile}").open("a") as variables:
            variables.writelines(f"TANDEM_{name}={value}\n" for name, value in values.items())
    refused = outcome("--profile", "staging", "produce")
    if named is None:
        assert isinstance(refused, ReachedError)
    else:
        assert str(refused).startswith(f"staging and the protected production share {named}, and this would ")


@pytest.mark.parametrize("command", [("destroy", "--data", "--yes"), ("produce",), ("deploy",), ("reconcile",)])
def test_each_named_pipelines_database_is_compared(changes: None, command: tuple[str, ...]) -> None:
    write("parcels", Path("pipelines"))
    with Path(".env.shared").open("a") as variables:
        variables.write("TANDEM_KAFKA__BOOTSTRAP=pkc-1:9092\nTANDEM_MONGO__DATABASE=parcels\n")
    assert isinstance(outcome("--profile", "shared", *command), ReachedError)
    refused = outcome("--profile", "shared", "--pipeline", "orders_payments,parcels", *command)
    assert "shared and the protected production share parcels in" in str(refused)


def test_a_profile_that_its_variables_protect_is_not_shared(changes: None) -> None:
    values = {**SETTINGS, "TANDEM_KAFKA__BOOTSTRAP": "pkc-1:9092"}
    lines = [f"{name}={value}\n" for name, value in values.items()]
    Path(".env.gcp").write_text("".join(lines))
    assert isinstance(outcome("--profile", "staging", "produce"), ReachedError)
    Path(".env.gcp").write_text("".join([*lines, "TANDEM_PROTECTED=true\n"]))
    refused = outcome("--profile", "staging", "destroy", "--data", "--yes")
    assert str(refused).startswith("staging and the protected gcp share pkc-1:9092, and this would destroy")
    Path(".env.gcp").write_text("no assignment")
    refused = outcome("--profile", "staging", "produce")
    assert isinstance(refused, UsageError)
    assert str(refused).startswith("cannot check what staging shares with gcp: .env.gcp, line 1")


def test_this_shells_variables_are_not_another_profiles(changes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_KAFKA__BOOTSTRAP", "pkc-1:9092")
    monkeypatch.setenv("TANDEM_MONGO__DATABASE", "staging")
    assert isinstance(outcome("--profile", "staging", "produce"), ReachedError)
    # But where pipelines are is the command's own.
    write("parcels", Path("elsewhere"))
    monkeypatch.setenv("TANDEM_PIPELINES_DIR", "elsewhere")
    assert isinstance(outcome("--profile", "staging", "--pipeline", "parcels", "produce"), ReachedError)
    monkeypatch.setenv("TANDEM_KAFKA__BOOTSTRAP", SETTINGS["TANDEM_KAFKA__BOOTSTRAP"])
    assert "the protected production share" in str(outcome("--profile", "staging", "produce"))


def data_of(profile: str) -> Path:
    """Returns a file of an environment that has run."""
    layout = Layout(load(profile).home)
    layout.create()
    (layout.kafka / "records").touch()
    return layout.kafka / "records"


def test_data_is_kept_until_the_name_is_given() -> None:
    kept = data_of("server")
    code, said = tandem("tandem", "--profile", "server", "down", "--volumes")
    assert (code, kept.exists()) == (2, True)
    assert "error: the profile server is protected, and this would delete topics, database and checkpoint of" in said
    assert tandem("tandem", "--profile", "server", "down")[0] == 0
    assert kept.exists()
    assert tandem("tandem", "--profile", "server", "down", "--volumes", "--confirm", "server")[0] == 0
    assert not kept.exists()


def test_without_a_protection_data_is_deleted_unasked() -> None:
    kept = data_of("laptop")
    assert tandem("tandem", "--profile", "laptop", "down", "--volumes")[0] == 0
    assert not kept.exists()


def test_what_was_deleted_is_said_and_nothing_else() -> None:
    down = ("tandem", "--profile", "laptop", "down", "--volumes")
    home = load("laptop").home
    nothing = f"nothing is running here: looked for processes with their state in {home}"
    # Nothing was ever started.
    assert f"{nothing}; there was no data to delete\n" in tandem(*down)[1]
    data_of("laptop")
    assert f"{nothing}; deleted kafka in {home}\n" in tandem(*down)[1]
    (home / "mongo").mkdir()
    (home / "mongo" / "data").touch()
    shutil.rmtree(home / "run")
    assert f"{nothing}; deleted mongo in {home}\n" in tandem(*down)[1]
    assert f"{nothing}; there was no data to delete\n" in tandem(*down)[1]


@pytest.mark.parametrize(("typed", "code"), [("server\n", 0), ("serve\n", 2), ("\n", 2), ("y\n", 2)])
def test_the_name_is_asked_for_at_a_terminal(typed: str, code: int) -> None:
    kept = data_of("server")
    ended, said = tandem("tandem", "--profile", "server", "down", "--volumes", terminal=typed)
    assert (ended, kept.exists()) == (code, code != 0)
    assert "type its name to continue" in said


@pytest.mark.parametrize(
    "program", [("tandem.producer",), ("tandem.producer.main", "orders", "--count=1", "--event-time=compressed")]
)
def test_unconfirmed_producers_do_not_send(program: tuple[str, ...]) -> None:
    code, said = tandem(*program, TANDEM_PROFILE="server")
    assert code == 2
    assert "error: the profile server is protected, and this would send generated records to 127.0.0.1:29952" in said


def test_the_environment_protects_and_does_not_unprotect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PROTECTED", "false")
    with pytest.raises(
        UsageError, match=r"server is protected in .*tandem\.toml; only that file can change it"
    ) as refused:
        load("server")
    assert "TANDEM_PROTECTED" in refused.value.hint
    assert not load("laptop").protected
    monkeypatch.setenv("TANDEM_PROTECTED", "true")
    assert all(load(name).protected for name in ("server", "laptop", "embedded"))


@pytest.mark.parametrize(
    ("profile", "warnings"),
    [
        ("production", ["the profile production is protected: if this version cannot be checked"]),
        ("staging", []),
        ("shared", ["`tandem deploy` would refuse: shared and the protected production share 127.0.0.1:29949"]),
    ],
)
def test_the_plan_says_what_a_protection_does_to_the_deployment(
    changes: None, profile: str, warnings: list[str]
) -> None:
    done = CliRunner().invoke(app, ("--profile", profile, "deploy", "--plan", "--json"))
    told = [line for line in json.loads(done.stdout)["warnings"] if not line.startswith("gcp.")]
    assert [line[: len(each)] for line, each in zip(told, warnings, strict=True)] == warnings
