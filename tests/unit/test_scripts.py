"""The scripts of a checkout, in a shell with variables that others have set."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

# Each prints what the script does next.
PROBE = '#!/usr/bin/env bash\nset -euo pipefail\n. "$(dirname "$0")/_venv"\npwd\nenv\n'
NETWORK = ("PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY", "PIP_TRUSTED_HOST", "PIP_CACHE_DIR", "UV_DEFAULT_INDEX")
CHANGING = (
    *("PIP_DRY_RUN", "PIP_REQUIRE_HASHES", "PIP_PYTHON", "PIP_CONSTRAINT", "PIP_TARGET", "PIP_USER", "PIP_NO_DEPS"),
    *("UV_PYTHON", "UV_RESOLUTION", "UV_EXCLUDE_NEWER", "UV_CONSTRAINT", "UV_PRERELEASE"),
    *("PYTHONHOME", "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "CDPATH", "BASH_ENV"),
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with a script that tells its folder and its variables, beside another folder ``scripts``."""
    scripts = tmp_path / "clone" / "scripts"
    scripts.mkdir(parents=True)
    for name in ("_venv", "first_run"):
        shutil.copy(ROOT / "scripts" / name, scripts / name)
    (scripts / "probe").write_text(PROBE)
    (scripts / "probe").chmod(0o755)
    (tmp_path / "other" / "scripts").mkdir(parents=True)
    return scripts.parent


def run(clone: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CDPATH": str(clone.parent / "other"), **variables}
    return subprocess.run([command], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_scripts_run_in_their_checkout_whatever_cd_would_search(clone: Path) -> None:
    done = run(clone, "scripts/probe")
    assert done.stdout.splitlines()[0] == str(clone)


def test_the_first_run_clones_its_checkout_whatever_cd_would_search(clone: Path) -> None:
    git = clone.parent / "git"
    git.write_text('#!/bin/sh\necho "$@" >&2\nexit 1\n')
    git.chmod(0o755)
    done = run(clone, "scripts/first_run", PATH=f"{git.parent}:{os.environ['PATH']}")
    assert f"file://{clone} " in done.stderr


def test_scripts_clear_what_would_change_an_installation_and_keep_the_network(clone: Path) -> None:
    given = {name: "/nowhere" for name in (*CHANGING, *NETWORK) if name not in ("CDPATH", "PYTHONINSPECT")}
    lines = run(clone, "scripts/probe", **given).stdout.splitlines()
    left = {name for line in lines if (name := line.partition("=")[0]) in (*CHANGING, *NETWORK)}
    assert left == set(NETWORK)
