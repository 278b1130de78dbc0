"""The command of docs/reference/parity.md, from nothing to nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.readme import commands_of, run
from tests.rehearsal.conftest import PORT, environment


# CI deploys once, in test_loop.
@pytest.mark.on_demand
def test_run_deploys_verifies_and_destroys() -> None:
    fresh = environment("rehearsal-run", PORT + 20)
    fresh.tandem("down", "--volumes")
    (command,) = commands_of("reference/parity.md")
    path = f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"
    done = run(command, {**fresh.variables, "PATH": path})
    assert "every record is accounted for" in done.stdout
    assert fresh.processes() == []
    fresh.tandem("down", "--volumes")
