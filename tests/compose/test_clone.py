"""Containers of a clone whose files only its owner may read, and whose git writes line endings of another system."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clone import clone_into
from tests.compose.conftest import PROJECT, Stack

pytestmark = pytest.mark.on_demand


@pytest.fixture
def clone(stack: Stack, tmp_path: Path) -> Iterator[Path]:
    stack.tandem("down")
    folder = clone_into(tmp_path / "clone")
    yield folder
    compose(stack, folder, "down", "--volumes")


def compose(stack: Stack, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**stack.variables, "TANDEM_PROJECT": f"{PROJECT}-clone"}
    return subprocess.run(
        ["docker", "compose", *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def test_what_containers_cannot_read_is_said_and_the_hint_makes_them_start(stack: Stack, clone: Path) -> None:
    command = replace(
        stack, extra=(*stack.extra, ("PYTHONPATH", str(clone / "src")), ("TANDEM_PROJECT", f"{PROJECT}-clone"))
    )
    said = command.tandem("up", code=3).stderr
    assert "is not readable for the containers" in said
    # Compose alone starts them, and they say it.
    compose(stack, clone, "up", "--detach", "--no-deps", "kafka", "mongo", "dashboard")

    def told() -> bool:
        logs = compose(stack, clone, "logs").stdout
        return all(f"error: {path} is not readable by uid" in logs for path in ("/etc/tandem", "/opt/tandem/src"))

    stack.wait("the containers' word", told)
    subprocess.run(["bash", "-c", said.rpartition("hint: ")[2]], check=True)
    up = compose(stack, clone, "up", "--detach", "--wait")
    assert up.returncode == 0, up.stderr
