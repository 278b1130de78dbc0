"""The command line as a program: what it says, and how it ends."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from tandem.cli.commands import MODULES, WITH_VALUE, command_line, modules_for
from tandem.cli.moment import moment
from tandem.errors import UsageError


@pytest.mark.parametrize("command", [("config", "show"), ("status", "--json")])
def test_who_reads_may_stop_reading(tmp_path: Path, command: Sequence[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        (sys.executable, "-m", "tandem", "--profile", "embedded", *command),
        env={**os.environ, "TANDEM_STATE_DIR": str(tmp_path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_the_commands_by_which_it_is_found(module: str) -> None:
    group: Any = typer.main.get_command(command_line([module]))
    assert set(group.commands) == set(MODULES[module])


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        (["--profile", "local", "up", "--wait"], ["lifecycle"]),
        (["--debug", "--pipeline=up", "logs", "job", "doctor"], ["inspect"]),
        (["--profile", "dev", "--pipeline", "new", "down"], ["lifecycle"]),
        (["upp"], list(MODULES)),
        (["upp", "doctor"], list(MODULES)),
        (["--help"], list(MODULES)),
        (["--help", "up"], list(MODULES)),
        (["up", "--help"], ["lifecycle"]),
        (["--profile", "dev", "--help"], list(MODULES)),
        (["--profile"], list(MODULES)),
    ],
)
def test_the_module_is_that_of_the_command(arguments: list[str], modules: list[str]) -> None:
    assert modules_for(arguments) == modules


def test_the_options_that_take_a_value_before_the_command_are_known() -> None:
    group: Any = typer.main.get_command(command_line([]))
    assert {name for each in group.params if not each.is_flag for name in each.opts} == set(WITH_VALUE)


@pytest.mark.parametrize(("argument", "number"), [("down", 1), ("--profile=embedded", len(MODULES))])
def test_a_command_imports_no_other_module(argument: str, number: int) -> None:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from tandem.cli.main import main; main()"
    command = (sys.executable, "-c", code, argument, "--help")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert len(set(done.stdout.split()) & {f"tandem.cli.{name}" for name in MODULES}) == number


def test_since_is_a_duration_or_a_time() -> None:
    found = moment("90m", "--since")
    assert timedelta(minutes=89) < datetime.now(UTC) - found < timedelta(minutes=91)
    for text in ("2026-11-26T10:00:00", "2026-11-26T10:00:00+00:00"):
        assert moment(text, "--since") == datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "soon", "x h", "nanm", "infd", "1e30h"])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(UsageError, match=r"--until .* is not a duration or a time"):
        moment(text, "--until")


def test_the_message_about_a_wrong_choice_is_plain() -> None:
    command = (sys.executable, "-m", "tandem", "new", "shop", "--format", "xml")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Invalid value for '--format': 'xml' is not one of")
