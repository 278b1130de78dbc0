"""Every command in the README is run as it stands there; those about containers in tests/compose."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.environment import Environment
from tests.readme import commands, run

# Run by whoever runs this test; entered by activating the environment that it runs in; run part by part by test_bench.
ELSEWHERE = {"scripts/test", "source .venv/bin/activate", "scripts/bench --quick"}


def test_every_command_works(fresh: Environment) -> None:
    variables = {**fresh.variables, "PATH": f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"}
    found = commands(containers=False)
    assert found[0] == "scripts/run"
    assert set(found) >= ELSEWHERE
    for command in found:
        if command in ELSEWHERE:
            continue
        done = run(command, variables)
        if command in ("scripts/run", "tandem verify"):
            assert "every record is accounted for" in done.stdout
    assert fresh.processes() == []
