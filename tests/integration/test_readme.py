"""Every command in the README is run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.environment import Environment

ROOT = Path(__file__).parents[2]
# Run by whoever runs this test, and entered by activating the environment that it runs in.
ELSEWHERE = {"scripts/test", "source .venv/bin/activate"}


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and line not in ELSEWHERE]


def test_every_command_works(fresh: Environment) -> None:
    path = f"{Path(sys.executable).parent}:{fresh.variables['PATH']}"
    assert commands()[0] == "scripts/run"
    for command in commands():
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env={**fresh.variables, "PATH": path},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        if command in ("scripts/run", "tandem verify"):
            assert "every record is accounted for" in done.stdout
    assert fresh.processes() == []
