"""Runs the commands of the README and of the pages that it leads to; see tests/compose about containers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.environment import Environment
from tests.readme import PROCESSES, README, TUTORIAL, commands_of, run

# The caller of this test has entered this environment.
ELSEWHERE = {"source .venv/bin/activate"}
ACCOUNTED = "every record is accounted for"


def variables_of(environment: Environment) -> dict[str, str]:
    """Returns the variables of a shell in which ``tandem`` is on the PATH."""
    return {**environment.variables, "PATH": f"{Path(sys.executable).parent}:{environment.variables['PATH']}"}


def test_the_commands_of_the_readme_work(fresh: Environment) -> None:
    found = commands_of(README)
    assert found == ["scripts/run"]
    assert ACCOUNTED in run(found[0], variables_of(fresh)).stdout
    assert fresh.processes() == []


def test_the_commands_for_processes_work(fresh: Environment) -> None:
    """The first one is the README's, so it is not run again."""
    first, *found = commands_of(PROCESSES)
    assert first == "scripts/run --profile embedded"
    for command in found:
        if command in ELSEWHERE:
            continue
        done = run(command, variables_of(fresh))
        if command == "tandem verify" or command.endswith(" run"):
            assert ACCOUNTED in done.stdout
    assert fresh.processes() == []


@pytest.mark.on_demand
def test_the_commands_for_several_pipelines_work(fresh: Environment) -> None:
    for command in commands_of("guides/several.md"):
        run(command, variables_of(fresh))
    assert fresh.processes() == []


def test_the_tutorial_works_in_an_empty_folder(fresh: Environment, tmp_path: Path) -> None:
    """Creates a pipeline and one with Avro, and verifies both."""
    found = commands_of(TUTORIAL) + commands_of("guides/avro.md")
    assert found[0] == "tandem new page_views"
    for command in found:
        done = run(command, variables_of(fresh), tmp_path)
        if command.endswith(" run"):
            assert ACCOUNTED in done.stdout
