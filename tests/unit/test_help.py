"""The command line's help, `--verbose`, and the last lines of `up`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tandem import __version__
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.cli.lifecycle import last_lines
from tandem.cli.verbose import shell_command

PANELS = ["Run", "Inspect", "Author", "Cloud"]
# At 80 columns, the names and the frame leave this much of a line.
WIDEST = 65


def commands(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for each, command in group.commands.items():
        yield f"{name}{each}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{name}{each} ")


COMMANDS = dict(commands(typer.main.get_command(app)))


def status(**changes: Any) -> dict[str, Any]:
    dashboard = {"url": "http://127.0.0.1:28000", "problem": None}
    return {"pipeline": "a", "ready": True, "job": {"state": "running"}, "dashboard": dashboard} | changes


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_one_line_of_help(name: str) -> None:
    first = COMMANDS[name].help.partition("\n\n")[0]
    assert first.endswith(".")
    assert len(first) <= WIDEST


@pytest.mark.parametrize("name", sorted(name for name in COMMANDS if " " not in name))
def test_each_command_stands_in_a_panel(name: str) -> None:
    assert COMMANDS[name].rich_help_panel in PANELS


def test_the_help_has_examples_that_name_real_commands() -> None:
    help_of = [typer.main.get_command(app), *COMMANDS.values()]
    lines = [line.split() for each in help_of for line in (each.epilog or "").splitlines()[1:]]
    named = {word for words in lines for word in words} & set(COMMANDS)
    assert {"run", "up", "down", "status", "logs", "verify", "dev", "deploy"} <= named
    assert all(words[0] == "tandem" and {"COMMAND", *COMMANDS} & set(words) for words in lines)


def test_examples_stand_one_on_a_line() -> None:
    shown = CliRunner().invoke(app, ["up", "--help"], env={"COLUMNS": "80"}).output
    assert "tandem up --wait" in [line.strip() for line in shown.splitlines()]


def test_verbose_prints_the_commands_that_run(tmp_path: Path) -> None:
    def run(*options: str) -> list[str]:
        done = subprocess.run(
            (sys.executable, "-m", "tandem", "--profile", "embedded", *options, "doctor"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return [line for line in done.stderr.splitlines() if line.startswith("+ ")]

    assert any("mongod --version" in line or "java" in line for line in run("--verbose"))
    assert run() == []


def test_a_printed_command_can_be_pasted_into_a_shell() -> None:
    assert shell_command(["echo", "two words", b"bytes", Path("/a b")]) == "echo 'two words' bytes '/a b'"


def test_the_last_lines_of_up_name_ready_dashboard_logs_and_stop() -> None:
    assert last_lines([status()], stop="down", command=CommandContext().command) == [
        "ready     yes",
        "dashboard http://127.0.0.1:28000",
        "logs      tandem logs --follow",
        "stop      tandem down",
    ]


def test_a_starting_job_is_not_ready() -> None:
    first, *_ = last_lines([status(ready=False, job={"state": "starting"})], stop="down", command=str)
    assert first == "ready     not yet, the job is starting; see `tandem status --watch`"


def test_each_of_several_jobs_has_a_line() -> None:
    states = [status(), status(pipeline="b", ready=False, job={"state": "failed"})]
    lines = last_lines(states, stop="destroy", command=CommandContext().command)
    assert [line.partition(",")[0] for line in lines[:2]] == ["ready     a: yes", "ready     b: not yet"]
    assert lines[-1] == "stop      tandem destroy"
    named = last_lines([status()], stop="destroy", command=CommandContext("gcp", "a,b").command)
    assert named[-2:] == [
        "logs      tandem --profile gcp --pipeline a,b logs --follow",
        "stop      tandem --profile gcp --pipeline a,b destroy",
    ]


def test_a_missing_dashboard_is_left_out_and_a_broken_one_explained() -> None:
    none = last_lines([status(dashboard={"url": None, "problem": None})], stop="down", command=str)
    assert not any(line.startswith("dashboard") for line in none)
    busy = {"url": "http://127.0.0.1:1", "problem": "port 1 is busy"}
    broken = last_lines([status(dashboard=busy)], stop="down", command=str)
    assert "dashboard http://127.0.0.1:1 is not available: port 1 is busy" in broken


def test_the_profile_is_printed_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["--profile", "embedded", "profile", "current", "--json"])
    assert '"profile": "embedded"' in shown.output


def test_the_version_is_printed_before_any_setting_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PROFILE", "wrong")
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"tandem {__version__}\n")
