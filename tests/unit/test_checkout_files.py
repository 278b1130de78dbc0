"""The files for GitHub and pre-commit are valid, and name what exists."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests import ROOT

GITHUB = ROOT / ".github"
SCHEMAS = {
    "github-workflows": sorted((GITHUB / "workflows").iterdir()),
    "github-issue-forms": [GITHUB / "ISSUE_TEMPLATE" / "bug.yml", GITHUB / "ISSUE_TEMPLATE" / "feature.yml"],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "dependabot": [GITHUB / "dependabot.yml"],
}


def check(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read(file: Path) -> Any:
    return YAML(typ="safe").load(file)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_files_for_github_are_valid(schema: str) -> None:
    done = check(schema, *SCHEMAS[schema])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_workflow_is_found(tmp_path: Path) -> None:
    text = (GITHUB / "workflows" / "ci.yml").read_text("utf-8")
    wrong = tmp_path / "ci.yml"
    wrong.write_text(text.replace("runs-on:", "runs:"))
    assert "runs" in check("github-workflows", wrong).stdout


def test_a_workflow_runs_what_ci_runs_on_all_pythons_that_are_named() -> None:
    jobs = read(GITHUB / "workflows" / "ci.yml")["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["all"]["steps"]]
    named = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    versions = [found[1] for text in named if (found := re.fullmatch(r".* :: Python :: (3\.\d+)", text))]
    assert jobs["python"]["strategy"]["matrix"]["python"] == versions


def fake(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)


@pytest.mark.parametrize("user", [0, 1001])
def test_ci_installs_all_missing_programs_as_root_or_with_sudo(tmp_path: Path, user: int) -> None:
    # Only root may install, and only sudo makes another user root.
    for name in ("chromium", "systemctl"):
        fake(tmp_path, name, ":")
    fake(tmp_path, "id", f"echo ${{AS_ROOT:-{user}}}")
    fake(tmp_path, "sudo", 'AS_ROOT=0 exec "$@"')
    fake(tmp_path, "apt-get", 'test "$(id -u)" = 0 && echo "$@"')
    for name in ("env", "bash"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    script = ROOT / ".ci" / "install"
    run = [str(tmp_path / "bash"), str(script)]
    done = subprocess.run(run, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    update, install = done.stdout.splitlines()
    assert update == "update -qq"
    assert install.split()[-3:] == ["openjdk-17-jre-headless", "kcat", "prometheus"]


@pytest.mark.parametrize(("code", "done"), [(0, "built\ntested\n"), (1, "")])
def test_ci_builds_the_images_beside_the_checks_and_not_longer_than_they_succeed(
    tmp_path: Path, code: int, done: str
) -> None:
    clone, log = tmp_path / "clone", tmp_path / "log"
    for folder in (".ci", "scripts"):
        (clone / folder).mkdir(parents=True)
    log.touch()
    shutil.copy(ROOT / ".ci" / "run", clone / ".ci")
    fake(clone / ".ci", "install", ":")
    fake(clone, "docker", 'echo >"$STARTED"; read -r _ <>"$CHECKED"; echo built >>"$LOG"')
    fake(clone / "scripts", "check", f'read -r _ <"$STARTED"; [ {code} = 0 ] && echo >"$CHECKED"')
    fake(clone / "scripts", "test", 'echo tested >>"$LOG"')
    pipes = {name: str(tmp_path / name) for name in ("STARTED", "CHECKED")}
    for pipe in pipes.values():
        os.mkfifo(pipe)
    environment = {**os.environ, **pipes, "LOG": str(log), "PATH": f"{clone}:{os.environ['PATH']}"}
    # All processes have this open, so its other end can be read when the last one has ended.
    ended, held = os.pipe()
    run = subprocess.run([clone / ".ci" / "run"], env=environment, pass_fds=[held], timeout=60, check=False)
    os.close(held)
    left = not select.select([ended], [], [], 10)[0]
    os.close(ended)
    if left:
        Path(pipes["CHECKED"]).write_text("\n")
    assert (run.returncode, left, log.read_text()) == (code, False, done)


def test_one_file_lists_what_ci_installs() -> None:
    # The workflow's runner lacks what this file does not install.
    assert ".ci/install" in (ROOT / ".ci" / "run").read_text("utf-8")
    files = [*(GITHUB / "workflows").iterdir(), ROOT / ".ci" / "run"]
    assert not [file.name for file in files if "apt-get" in file.read_text("utf-8")]


def test_a_release_publishes_only_the_distribution_after_all_tests() -> None:
    jobs = read(GITHUB / "workflows" / "release.yml")["jobs"]
    # The images hold no Tandem: containers mount the checkout's source.
    assert [name for name, job in jobs.items() if "permissions" in job] == ["publish"]
    assert set(jobs["publish"]["needs"]) == {"ci", "by_name", "build"}


def test_a_release_runs_the_tests_of_the_wheel_and_the_registry_by_name() -> None:
    jobs = read(GITHUB / "workflows" / "release.yml")["jobs"]
    (command,) = [step["run"] for step in jobs["by_name"]["steps"] if step.get("run", "").startswith("scripts/test")]
    layers = [word for word in command.split()[1:] if not word.startswith("-")]
    for layer in ("integration", "compose"):
        files = (ROOT / "tests" / layer).glob("test_*.py")
        assert layer in layers
        assert any("by_name" in file.read_text("utf-8") for file in files)


def test_pre_commit_runs_the_checks_of_the_script() -> None:
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = [hook["entry"].removeprefix("scripts/check ") for hook in repository["hooks"]]
    script = (ROOT / "scripts" / "check").read_text("utf-8")
    (checks,) = re.findall(r"\|\| set -- (.+)", script)
    # The site takes longer than a commit should.
    assert [*hooks, "docs"] == checks.split()
    assert checks.split() == re.findall(r"^    ([a-z]+)\)", script, re.MULTILINE)


def test_an_unknown_check_is_refused() -> None:
    environment = {
        "TANDEM_VENV": str(Path(sys.executable).parents[1]),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    done = subprocess.run(
        [ROOT / "scripts" / "check", "typos"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "hint: the checks are: format, lint" in done.stderr) == (2, True)
