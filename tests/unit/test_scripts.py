"""The scripts of a checkout, in a shell with variables that others have set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
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


@pytest.fixture
def versions(clone: Path) -> Path:
    """A checkout whose tests only say what they run with; returns the folder of its programs."""
    for name in ("scripts/test_versions", "pyproject.toml"):
        shutil.copy(ROOT / name, clone / name)
    programs = {
        clone / "scripts" / "test": 'echo "ran $*: $PYTHON $(basename "$JAVA_HOME")"; [ "$PYTHON" != "$BROKEN" ]',
        **{clone / "bin" / f"python3.{minor}": ":" for minor in (11, 12, 13)},
        **{
            clone / f"jdk{version}" / "bin" / "java": f"echo 'openjdk version \"{version}.0.1\"' >&2"
            for version in (17, 21)
        },
    }
    for file, script in programs.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    for name in ("bash", "dirname", "basename", "sed", "tr", "env", "grep", "sh"):
        (clone / "bin" / name).symlink_to(str(shutil.which(name)))
    return clone / "bin"


@pytest.mark.parametrize("broken", ["none", "python3.12"])
def test_one_command_tests_all_versions_and_names_those_that_are_missing(
    clone: Path, versions: Path, broken: str
) -> None:
    homes = f"{clone / 'jdk17'}:{clone / 'jdk21'}"
    shell = {"PATH": str(versions), "JAVA_HOMES": homes, "JAVA_HOME": "", "PYTHON": "", "BROKEN": broken}
    done = run(clone, "scripts/test_versions", **shell)
    ran, _, results = done.stdout.partition("\n\n")
    assert ran.splitlines() == [
        *(f"ran unit spark: python3.{minor} " for minor in (11, 12, 13)),
        *(f"ran spark:  jdk{version}" for version in (17, 21)),
    ]
    assert results.splitlines() == [
        "Python 3.11: passed",
        f"Python 3.12: {'failed' if broken == 'python3.12' else 'passed'}",
        "Python 3.13: passed",
        "Python 3.14: not installed",
        "Java 17: passed",
        "Java 21: passed",
        "Java 25: not in JAVA_HOMES",
    ]
    # A version that was not tested has not passed.
    assert done.returncode == 1


def test_all_versions_that_ci_tests_are_those_of_the_script() -> None:
    script = (ROOT / "scripts" / "test_versions").read_text("utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    (javas,) = re.findall(r'javas="([0-9 ]+)"', script)
    assert re.findall(r"java: \[(.+)\]", workflow) == [", ".join(f'"{each}"' for each in javas.split())]


def test_scripts_clear_what_would_change_an_installation_and_keep_the_network(clone: Path) -> None:
    given = {name: "/nowhere" for name in (*CHANGING, *NETWORK) if name not in ("CDPATH", "PYTHONINSPECT")}
    lines = run(clone, "scripts/probe", **given).stdout.splitlines()
    left = {name for line in lines if (name := line.partition("=")[0]) in (*CHANGING, *NETWORK)}
    assert left == set(NETWORK)


@pytest.mark.parametrize(("needed", "code"), [("one==1", 0), ("one==2", 3), ("one==1\ntwo==1", 3)])
def test_a_script_installs_only_what_the_checks_have_not_installed(clone: Path, needed: str, code: int) -> None:
    (clone / "requirements").mkdir()
    (clone / "pyproject.toml").write_text("project\n")
    locks = {"build": "tool==1", "check": "one==1 \\\n    --hash=sha256:1\nthree==1", "test": needed}
    for name, lock in locks.items():
        (clone / "requirements" / f"{name}.txt").write_text(f"{lock}\n")
    (clone / ".venv").mkdir()
    files = ("pyproject.toml", "requirements/build.txt", "requirements/check.txt")
    (clone / ".venv" / "tandem-check").write_text("".join((clone / name).read_text() for name in files))
    (clone / "scripts" / "probe").write_text(PROBE.replace("pwd\n", "ensure_venv test\npwd\n"))
    assert run(clone, "scripts/probe", PYTHON="no-python").returncode == code
    # Another version of the project was installed.
    (clone / "pyproject.toml").write_text("changed\n")
    assert run(clone, "scripts/probe", PYTHON="no-python").returncode == 3


# Makes an environment slowly, and fails if another one is being made.
SLOW_PYTHON = """#!/usr/bin/env bash
if [ "$1 $2" = "-m venv" ]; then
  mkdir "$BUSY" || exit 1
  mkdir -p "$3/bin"
  cp "$0" "$3/bin/python"
  echo made >>"$BUSY.log"
  read -r _ <>"$PIPE"
  rmdir "$BUSY"
fi
"""


def test_two_scripts_that_start_together_install_once(clone: Path) -> None:
    (clone / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/build.txt", "requirements/embedded.txt"):
        (clone / name).touch()
    (clone / "scripts" / "probe").write_text(PROBE.replace("pwd\n", "ensure_venv embedded\npwd\n"))
    python, pipe, busy = clone / "slow", clone / "pipe", clone / "busy"
    python.write_text(SLOW_PYTHON)
    python.chmod(0o755)
    os.mkfifo(pipe)
    environment = {**os.environ, "PYTHON": str(python), "BUSY": str(busy), "PIPE": str(pipe)}
    running = [
        subprocess.Popen(
            ["scripts/probe"], cwd=clone, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    # Opening waits until the first installation reads. It ends with this line.
    pipe.write_text("\n")
    codes = [each.wait(60) for each in running]
    assert (codes, (clone / "busy.log").read_text()) == ([0, 0], "made\n")


# Notes what it is told to install, and dies with its script where it cannot.
NOTING_PYTHON = """#!/usr/bin/env bash
case "$1 $2" in
  "-m venv")
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
    [ "$INTERRUPTED" != venv ] || exec kill -KILL "$PPID"
    cp "$0" "$3/bin/pip"
    ;;
  "-m pip")
    [ -x "${0%/*}/pip" ] || exit 1
    [ "$INTERRUPTED" != pip ] || exec kill -KILL "$PPID"
    [[ "$*" != *editable* ]] || echo installed >>"$NOTES"
    ;;
esac
"""


@pytest.fixture
def installations(clone: Path) -> Callable[..., int]:
    """Returns a function that runs a script with an extra of a version, and counts the installations so far."""
    (clone / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/build.txt", "notes"):
        (clone / name).touch()
    (clone / "scripts" / "probe").write_text(PROBE.replace("pwd\n", 'ensure_venv "$EXTRA"\npwd\n'))
    python = clone / "noting"
    python.write_text(NOTING_PYTHON)
    python.chmod(0o755)

    def install(extra: str, version: int, interrupted: str = "") -> int:
        for name in ("check", "embedded", "lock", "test"):
            (clone / "requirements" / f"{name}.txt").write_text(f"one=={version}\n{name}==1\n")
        variables = {"PYTHON": str(python), "NOTES": str(clone / "notes"), "EXTRA": extra, "INTERRUPTED": interrupted}
        assert (run(clone, "scripts/probe", **variables).returncode == 0) == (not interrupted)
        return len((clone / "notes").read_text().splitlines())

    return install


def test_what_another_lock_has_replaced_is_installed_again(installations: Callable[..., int]) -> None:
    """The extras share packages: those of another branch replace them for all extras."""
    assert installations("embedded", 1) == 1
    assert installations("test", 2) == 2
    assert installations("embedded", 1) == 3


def test_an_interrupted_installation_is_not_complete(installations: Callable[..., int]) -> None:
    assert installations("embedded", 1) == 1
    assert installations("embedded", 2, "pip") == 1
    assert installations("embedded", 1) == 2


def test_an_environment_without_pip_is_made_again(installations: Callable[..., int]) -> None:
    """Python makes an environment's `python` first, and its `pip` last."""
    assert installations("embedded", 1, "venv") == 0
    assert installations("embedded", 1) == 1


def test_extras_of_the_same_locks_stay_installed(installations: Callable[..., int]) -> None:
    """One extra has the name ``lock``."""
    for count, extra in enumerate(("lock", "embedded", "test"), start=1):
        assert installations(extra, 1) == count
    for extra in ("lock", "embedded", "test"):
        assert installations(extra, 1) == 3
