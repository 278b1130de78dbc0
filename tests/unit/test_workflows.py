"""`tandem new --ci github`: workflows that GitHub accepts, without a key and without a secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from tandem.cli.app import app
from tandem.errors import DISTRIBUTION, UsageError
from tests import ROOT
from tests.infrastructure import read, texts

FILES = ["tandem-deploy.yml", "tandem-test.yml"]
STAGING = '[profile.staging]\nlike = "gcp"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".github" / "workflows"


def tandem(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def checked(file: Path) -> subprocess.CompletedProcess[str]:
    """Checks a file against GitHub's schema of workflows, which the tool brings along."""
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def workflow(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(file)
    return found


def commands(file: Path) -> list[str]:
    jobs = workflow(file)["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_the_workflows_are_valid(folder: Path) -> None:
    done = tandem("new", "--ci", "github")
    assert done.exit_code == 0
    assert [Path(line).name for line in done.stdout.splitlines()] == FILES
    for name in FILES:
        result = checked(folder / name)
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("text", "other"), [("runs-on", "runs_on"), ("id-token: write", "id-token: yes")])
def test_an_invalid_workflow_is_found(folder: Path, text: str, other: str) -> None:
    tandem("new", "--ci", "github")
    file = folder / "tandem-deploy.yml"
    file.write_text(file.read_text().replace(text, other))
    assert checked(file).returncode == 1


def test_they_name_the_pipelines_and_the_profile(folder: Path) -> None:
    Path("tandem.toml").write_text(STAGING)
    done = tandem("--profile", "staging", "--pipeline", "orders_payments,segment_revenue", "new", "--ci", "github")
    assert done.exit_code == 0
    for name in FILES:
        found = workflow(folder / name)["env"]
        assert found["TANDEM_PIPELINE"] == "orders_payments,segment_revenue"
        assert found["TANDEM_PROFILE"] == "staging"
        assert "the-p" not in (folder / name).read_text()


def test_only_the_deployment_may_log_in_and_only_the_plan_may_write(folder: Path) -> None:
    tandem("new", "--ci", "github")
    test, deploy = workflow(folder / "tandem-test.yml"), workflow(folder / "tandem-deploy.yml")
    assert test["permissions"] == {"contents": "read"}
    assert test["jobs"]["test"].get("permissions") is None
    assert test["jobs"]["plan"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    assert list(deploy["on"]) == ["push", "workflow_dispatch"]
    assert "secrets." not in (folder / "tandem-test.yml").read_text()


def test_values_of_a_pull_request_reach_no_shell_as_code(folder: Path) -> None:
    tandem("new", "--ci", "github")
    assert not any("${{" in command for name in FILES for command in commands(folder / name))


def test_secrets_are_references_and_there_is_no_key_file(folder: Path) -> None:
    tandem("new", "--ci", "github")
    text = (folder / "tandem-deploy.yml").read_text()
    assert re.findall(r"TANDEM_\w+PASSWORD: (.+)", text) == ["env:KAFKA_PASSWORD", "env:MONGO_PASSWORD"]
    assert "credentials_json" not in text
    (step,) = (
        each for each in workflow(folder / "tandem-deploy.yml")["jobs"]["deploy"]["steps"] if "secrets." in str(each)
    )
    assert step["name"] == "Deploy"


def test_its_commands_exist(folder: Path) -> None:
    tandem("new", "--ci", "github")
    found = [line.strip() for name in FILES for run in commands(folder / name) for line in run.splitlines()]
    own = [line.partition(" >")[0] for line in found if line.startswith("tandem ")]
    assert own == [
        'tandem deploy --confirm "$TANDEM_PROFILE"',
        "tandem status",
        "tandem --profile embedded run",
        "tandem deploy --plan",
    ]
    for line in own:
        words = [word for word in line.split()[1:] if not word.startswith('"')]
        help_of = tandem(*[word for word in words if word not in ("--confirm", "--plan")], "--help")
        assert help_of.exit_code == 0
        assert all(word in help_of.output for word in words if word in ("--confirm", "--plan"))


@pytest.mark.parametrize(
    ("found", "sent"),
    [("", "pr comment 3 --body-file comment.md"), ("7", "api --method PATCH repos/me/own/issues/comments/7")],
)
def test_the_plan_replaces_no_comment_but_its_own(folder: Path, tmp_path: Path, found: str, sent: str) -> None:
    tandem("new", "--ci", "github")
    (script,) = (command for command in commands(folder / "tandem-test.yml") if "gh " in command)
    stub = tmp_path / "bin" / "gh"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@" >> calls\ncase "$*" in *--jq*) printf "%s\\n" "{found}";; esac\n')
    stub.chmod(0o755)
    (tmp_path / "plan.txt").write_text("SubmitJob")
    variables = {
        "PATH": f"{stub.parent}:/usr/bin:/bin",
        "TANDEM_PROFILE": "staging",
        "NUMBER": "3",
        "GH_REPO": "me/own",
    }
    subprocess.run(["/bin/bash", "-e", "-c", script], cwd=tmp_path, env=variables, check=True)
    asked, told = (tmp_path / "calls").read_text().splitlines()
    assert 'startswith("<!-- tandem: plan of staging -->")' in asked
    assert told.startswith(sent)
    assert (tmp_path / "comment.md").read_text().startswith("<!-- tandem: plan of staging -->\nPlan of the deployment")


def test_the_variables_are_the_outputs_of_the_infrastructure(folder: Path) -> None:
    tandem("new", "--ci", "github")
    named = set(re.findall(r"vars\.(\w+)", (folder / "tandem-deploy.yml").read_text()))
    output = " ".join(texts(read(ROOT / "infra")["output"]["github"]))
    assert named == {"GCP_IDENTITY_PROVIDER", "GCP_DEPLOYER"}
    assert named <= set(re.findall(r"\bGCP_\w+", output))
    environment = workflow(folder / "tandem-deploy.yml")["jobs"]["deploy"]["environment"]
    assert environment == read(ROOT / "infra")["variable"]["github_environment"]["default"]


def test_a_checkout_gets_locked_packages(folder: Path) -> None:
    tandem("new", "--ci", "github")
    for name in FILES:
        installs = [lines for run in commands(folder / name) if "pip install" in (lines := run.splitlines())[0]]
        assert len(installs) == len(workflow(folder / name)["jobs"])
        for locked, own in installs:
            assert locked.startswith("pip install --require-hashes ")
            assert all((ROOT / file).is_file() for file in re.findall(r"-r (\S+)", locked))
            assert own == "pip install --no-deps ."


def test_elsewhere_the_distribution_has_its_name_and_its_extras(folder: Path) -> None:
    tandem("new", "--ci", "github")
    known = (ROOT / "pyproject.toml").read_text()
    for name in FILES:
        named = re.findall(r"([a-z-]+)\[([a-z,]+)\] @ git", (folder / name).read_text())
        assert len(named) == len(workflow(folder / name)["jobs"])
        for distribution, extras in named:
            assert distribution == DISTRIBUTION
            assert all(f"\n{extra} = [" in known for extra in extras.split(","))


@pytest.mark.parametrize(
    ("named", "run"),
    [
        ("small", []),
        ("small,orders_payments", ["tandem --profile embedded --pipeline orders_payments run"]),
        ("orders_payments", ["tandem --profile embedded run"]),
    ],
)
def test_the_workflow_runs_only_pipelines_that_can_be_verified(named: str, run: list[str], folder: Path) -> None:
    # As on the page "The smallest pipeline": without an oracle.
    small = Path("pipelines") / "small"
    small.mkdir(parents=True)
    for name in ("transform.py", "generator.py"):
        (small / name).write_text("")
    done = tandem("--pipeline", named, "new", "--ci", "github")
    assert done.exit_code == 0, done.output
    assert [each for each in commands(folder / "tandem-test.yml") if each.endswith(" run")] == run
    assert ("does not run small" in done.output) == ("small" in named)
    assert checked(folder / "tandem-test.yml").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("new", "shop", "--ci", "github"), "--ci creates no pipeline"),
        (("new",), "the name of the pipeline is missing"),
        (("--profile", "embedded", "new", "--ci", "github"), "the profile embedded cannot be deployed"),
        (("--profile", "rehearsal", "new", "--ci", "github"), "the profile rehearsal cannot be deployed"),
    ],
)
def test_a_wrong_call_is_refused(arguments: tuple[str, ...], problem: str, folder: Path) -> None:
    done = tandem(*arguments)
    assert isinstance(done.exception, UsageError)
    assert problem in str(done.exception)
    assert not folder.exists()


def test_a_workflow_that_exists_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tandem-test.yml").write_text("mine")
    done = tandem("new", "--ci", "github")
    assert "exists already" in str(done.exception)
    assert [each.name for each in folder.iterdir()] == ["tandem-test.yml"]
    assert (folder / "tandem-test.yml").read_text() == "mine"
