"""Every command in the README and the pages it leads to is run as it stands; about containers see tests/compose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.environment import Environment
from tests.readme import OWN, commands, commands_of, run

# Run by whoever runs this test; entered by activating the environment that it runs in; run part by part by test_bench.
ELSEWHERE = {"scripts/test", "source .venv/bin/activate", "scripts/bench --quick"}


def test_every_command_works(fresh: Environment) -> None:
    variables = {**fresh.variables, "PATH": f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"}
    found = commands()
    assert found[0] == "scripts/run"
    assert set(found) >= ELSEWHERE
    for command in found:
        if command in ELSEWHERE:
            continue
        done = run(command, variables)
        if command in ("scripts/run", "tandem verify"):
            assert "every record is accounted for" in done.stdout
    assert fresh.processes() == []


@pytest.mark.on_demand
def test_several_pipelines_run_word_by_word(fresh: Environment) -> None:
    variables = {**fresh.variables, "PATH": f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"}
    for command in commands_of("several.md"):
        run(command, variables)
    assert fresh.processes() == []


def test_the_tutorial_works_word_by_word(fresh: Environment, tmp_path: Path) -> None:
    """In an empty folder, as one does who has installed Tandem: a pipeline of one's own and one with Avro, verified."""
    variables = {**fresh.variables, "PATH": f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"}
    found = commands(OWN) + commands_of("avro.md")
    assert found[0] == "tandem new page_views"
    for command in found:
        done = run(command, variables, tmp_path)
        if command.endswith(" run"):
            assert "every record is accounted for" in done.stdout
