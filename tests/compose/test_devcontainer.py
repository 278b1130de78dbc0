"""The dev container, started as Visual Studio Code does it: by the reference implementation of its specification."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.compose.conftest import Stack

# Minutes, most of them to build another image.
pytestmark = pytest.mark.on_demand

# That of the image's user. A developer's own id is put in its place by the CLI; root's cannot be.
USER = 1000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a checkout that belongs to whom it belongs inside."""
    folder = tmp_path_factory.mktemp("workspace") / "tandem"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".tandem", ".venv", "*_cache", "__pycache__"))
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def inside(stack: Stack, devcontainer: str, workspace: Path) -> Iterator[list[str]]:
    """Returns the beginning of a command that runs in the dev container."""
    variables = {**stack.variables, "TANDEM_PROJECT": "tandem-tests-dev", "TANDEM_PROFILE": ""}
    folder = ("--workspace-folder", str(workspace))
    files = ("-f", "docker-compose.yml", "-f", ".devcontainer/compose.yml")
    try:
        up = subprocess.run(
            [devcontainer, "up", *folder], env=variables, capture_output=True, text=True, timeout=1200, check=False
        )
        assert up.returncode == 0, up.stdout + up.stderr
        assert json.loads(up.stdout.splitlines()[-1])["outcome"] == "success"
        yield [devcontainer, "exec", *folder]
    finally:
        subprocess.run(["docker", "compose", *files, "down", "--volumes"], cwd=workspace, env=variables, check=True)


def run(command: list[str], *arguments: str) -> str:
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tools_are_there(inside: list[str]) -> None:
    assert "embedded" in run(inside, "tandem", "profile", "current")
    assert "25" in run(inside, "java", "--version")
    assert run(inside, "id", "--user").strip() != "0"


def test_the_tests_and_the_loop_run_inside(inside: list[str]) -> None:
    assert " passed" in run(inside, "scripts/test", "unit", "-k", "settings or verify")
    assert "every record is accounted for" in run(inside, "tandem", "run")


def test_the_checks_pass_inside(inside: list[str]) -> None:
    run(inside, "scripts/check")


@pytest.mark.parametrize("layer", ["unit", "integration"])
def test_a_layer_passes_inside(inside: list[str], layer: str) -> None:
    summary = run(inside, "scripts/test", layer)
    assert " passed" in summary
    assert "failed" not in summary
