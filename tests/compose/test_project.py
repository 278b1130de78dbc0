"""A project of one's own, from the built wheel: with containers, and in its dev container."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.compose.conftest import PROJECT, Stack
from tests.distribution import build, install
from tests.readme import PROJECT as PAGE
from tests.readme import commands_of

# Half a gigabyte of packages, and for the dev container once more.
pytestmark = pytest.mark.by_name

# That of the dev container's user. A developer's own id is put in its place; root's cannot be.
USER = 1000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def variables(stack: Stack, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Returns the environment of a user who has installed the wheel."""
    stack.tandem("down")
    programs = install(wheel, tmp_path_factory.mktemp("venv"))
    own = {name: value for name, value in stack.variables.items() if name not in ("TANDEM_STATE_DIR", "PYTHONPATH")}
    return {**own, "TANDEM_PROFILE": "", "TANDEM_PROJECT": f"{PROJECT}-project", "PATH": f"{programs}:{own['PATH']}"}


@pytest.fixture
def project(variables: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Yields a new project with a pipeline."""
    folder = tmp_path / "shop"
    folder.mkdir()
    run("tandem init && tandem new clicks", folder, variables)
    yield folder
    run("docker compose down --volumes", folder, variables)


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_containers_run_the_projects_pipeline(project: Path, variables: dict[str, str]) -> None:
    commands = commands_of(PAGE)
    loop, up, ps, down = commands[next(number for number, text in enumerate(commands) if "--profile local" in text) :]
    assert "every record is accounted for" in run(loop, project, variables)
    run(up, project, variables)
    assert "job" in run(ps, project, variables)
    status = run("tandem --profile local --pipeline clicks status --json 2>/dev/null", project, variables)
    assert json.loads(status)["job"]["state"] == "running"
    run(down, project, variables)


def test_the_dev_container_runs_the_projects_pipeline(
    project: Path, variables: dict[str, str], wheel: Path, devcontainer: str
) -> None:
    # As long as there is no release, the wheel is beside the requirements.
    (project / wheel.name).write_bytes(wheel.read_bytes())
    (project / "requirements.txt").write_text(f"./{wheel.name}[embedded]\npytest\n")
    dockerfile = project / ".devcontainer" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("requirements.txt ./", "requirements.txt *.whl ./"))
    if os.getuid() == 0:
        for path in (project, *project.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
    folder = f"--workspace-folder '{project}'"
    compose = "docker compose --file .devcontainer/compose.yml --project-name shop_devcontainer"
    try:
        assert '"outcome":"success"' in run(f"{devcontainer} up {folder}", project, variables)
        inside = f"{devcontainer} exec {folder}"
        assert " passed" in run(f"{inside} pytest pipelines", project, variables)
        assert "every record is accounted for" in run(f"{inside} tandem --pipeline clicks run", project, variables)
    finally:
        run(f"{compose} down --volumes --rmi local", project, variables)
