"""The wheel works outside a checkout: in a new virtual environment and an empty folder, without Docker."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests import ROOT
from tests.distribution import build
from tests.environment import Environment

# Half a gigabyte of packages.
pytestmark = pytest.mark.by_name

LOCK = ROOT / "requirements"


@pytest.fixture(scope="module")
def tandem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the command of an installed wheel."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    wheel = build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))
    install = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-build-isolation"]
    variables = {**os.environ, "DIST_EXTRA_CONFIG": str(LOCK / "build.cfg")}
    for what in (("-r", LOCK / "build.txt"), ("-r", LOCK / "embedded.txt"), (wheel,)):
        subprocess.run([*install, *what], env=variables, check=True, timeout=600)
    return folder / "bin" / "tandem"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns an empty folder, outside of every checkout."""
    assert not tmp_path.is_relative_to(ROOT)
    return tmp_path


def run(tandem: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Returns the finished command; it has the tests' ports, and neither Docker nor this checkout's Python."""
    left_out = ("TANDEM_PROFILE", "TANDEM_STATE_DIR", "PYTHONPATH", "VIRTUAL_ENV")
    variables = {name: value for name, value in Environment(folder, 29790).variables.items() if name not in left_out}
    variables |= {
        "DOCKER_HOST": "unix:///none",
        "PATH": variables["PATH"].replace(f"{Path(sys.executable).parent}:", ""),
    }
    return subprocess.run(
        [tandem, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=600, check=False
    )


def test_a_new_pipeline_runs(tandem: Path, folder: Path) -> None:
    new = run(tandem, folder, "new", "clicks")
    assert new.returncode == 0, new.stderr
    done = run(tandem, folder, "--pipeline", "clicks", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every record is accounted for" in done.stdout + done.stderr
    assert "profile embedded" in done.stderr
    # Its state is in the folder, and nothing is in the package.
    assert sorted(path.name for path in folder.iterdir()) == [".tandem", "pipelines"]
