"""The wheel works outside a checkout: in a new virtual environment and an empty folder, without Docker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.distribution import build, install
from tests.environment import Environment
from tests.readme import PROJECT, commands_of

# Half a gigabyte of packages.
pytestmark = pytest.mark.by_name


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of programs with an installed wheel."""
    wheel = build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))
    return install(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns an empty folder, outside of every checkout."""
    folder = tmp_path_factory.mktemp("project") / "shop"
    folder.mkdir()
    assert not folder.is_relative_to(ROOT)
    return folder


def run(programs: Path, folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Returns the finished command; it has the tests' ports, and neither Docker nor this checkout's Python."""
    left_out = ("TANDEM_PROFILE", "TANDEM_STATE_DIR", "PYTHONPATH", "VIRTUAL_ENV")
    variables = {name: value for name, value in Environment(folder, 29790).variables.items() if name not in left_out}
    path = variables["PATH"].replace(f"{Path(sys.executable).parent}:", "")
    variables |= {"DOCKER_HOST": "unix:///none", "PATH": f"{programs}:{path}"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def test_the_commands_of_the_page_run(programs: Path, project: Path) -> None:
    commands = commands_of(PROJECT)
    alone = commands[: next(number for number, text in enumerate(commands) if "--profile local" in text)]
    assert alone == ["tandem init", "tandem new clicks", "pytest pipelines", "tandem --pipeline clicks run"]
    *_, tests, loop = (run(programs, project, command) for command in alone)
    assert " passed" in tests.stdout
    assert "every record is accounted for" in loop.stdout + loop.stderr
    assert "profile embedded" in loop.stderr
    # The state is in the folder, and nothing is in the package.
    assert {"clicks", "containers", "embedded"} <= {
        path.name for folder in (".tandem", "pipelines") for path in (project / folder).iterdir()
    }
    assert run(programs, project, "tandem init --upgrade").stdout == ""


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker program on PATH")
def test_compose_finds_what_the_wheel_has(programs: Path, project: Path) -> None:
    model = json.loads(run(programs, project, "docker compose config --format json").stdout)
    assert model["name"] == "shop"
    mounts = [
        mount["source"]
        for service in model["services"].values()
        for mount in service["volumes"]
        if mount["type"] == "bind"
    ]
    assert [path for path in mounts if not Path(path).exists()] == []
    copied = project / ".tandem" / "containers"
    assert (copied / "images" / "with-ca").stat().st_mode & 0o111
    assert (copied / "src" / "tandem" / "engine" / "submitted" / "job.py").is_file()
