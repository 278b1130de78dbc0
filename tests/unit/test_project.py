"""`tandem init`: the files of a project, what it refuses, and what an upgrade changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner, Result

from tandem import __version__, checkout, container_files
from tandem.cli.app import app
from tandem.errors import DISTRIBUTION, EnvironmentNotReadyError, TandemError, UsageError
from tandem.platforms import doctor
from tandem.platforms.compose.mounts import check_mounts
from tandem.platforms.compose.project_folder import project_folder, renewed_folder
from tandem.scaffold import project as scaffold
from tandem.scaffold import upgrade
from tandem.settings.load import load
from tests import ROOT
from tests.distribution import package_in
from tests.unit.test_workflows import FILES as FILES_OF_DEPLOYMENT
from tests.unit.test_workflows import checked, commands, workflow

FILES = {
    *(".devcontainer/Dockerfile", ".devcontainer/compose.yml", ".devcontainer/dev.yml"),
    ".devcontainer/devcontainer.json",
    *(".env", ".github/workflows/test.yml", ".gitignore", ".tandem-init.json", "docker-compose.yml"),
    *("pipelines/__init__.py", "pipelines/conftest.py", "pipelines/test_pipelines.py"),
    *("constraints.txt", "requirements.txt", "tandem.schema.json", "tandem.toml"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the current folder, which is empty, for a Tandem that was installed from a wheel."""
    monkeypatch.setattr(container_files, "PACKAGED", package_in(tmp_path / "installed"))
    for module in (checkout, scaffold):
        monkeypatch.setattr(module, "checkout", lambda: None)
    place = tmp_path / "My Shop"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def project(folder: Path) -> Path:
    assert init().exit_code == 0
    return folder


def init(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments])


def files(folder: Path) -> set[str]:
    """Returns the files of a folder, without the copy of the package."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] != ".tandem"}


def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scaffold, upgrade):
        monkeypatch.setattr(module, "__version__", "0.2.0")


def test_it_writes_a_project_and_what_containers_need(folder: Path) -> None:
    done = init()
    assert done.exit_code == 0, done.output
    assert files(folder) == FILES
    assert set(done.stdout.splitlines()) == FILES
    assert (folder / ".tandem/containers/compose/base.yml").is_file()
    assert "tandem new" in done.stderr


def test_the_files_name_the_project_and_the_version(project: Path) -> None:
    assert "TANDEM_PROJECT=my-shop\n" in (project / ".env").read_text("utf-8")
    assert json.loads((project / ".tandem-init.json").read_text("utf-8"))["version"] == __version__
    lines = (project / "requirements.txt").read_text("utf-8").splitlines()
    tandem, _ = (Requirement(line) for line in lines if not line.startswith(("#", "-c ")))
    assert (tandem.name, tandem.extras, str(tandem.specifier)) == (DISTRIBUTION, {"embedded"}, f"=={__version__}")
    for path in FILES:
        assert "the-project" not in (project / path).read_text("utf-8"), path
        assert "the-version" not in (project / path).read_text("utf-8"), path


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("My Shop!", "my-shop"), ("_x", "x"), ("L\u00e4den", "l-den"), ("\u5546", "tandem")],
)
def test_a_name_is_one_that_compose_accepts(folder: str, name: str) -> None:
    assert scaffold.project_name(Path("/") / folder) == name


def test_editors_find_the_schema_of_the_profiles(project: Path) -> None:
    schema, _, _ = (project / "tandem.toml").read_text("utf-8").removeprefix("#:schema ").partition("\n")
    current = (ROOT / "docs" / "reference" / "tandem.schema.json").read_text("utf-8")
    assert (project / schema).read_text("utf-8") == current


def test_a_renamed_folder_keeps_the_projects_name(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.rename(project.with_name("clone")))
    done = init("--upgrade")
    assert (done.exit_code, done.stdout) == (0, "")


def test_the_workflow_is_valid_and_its_commands_exist(project: Path) -> None:
    workflow = project / ".github/workflows/test.yml"
    assert checked(workflow).returncode == 0
    assert any("--profile embedded" in command for command in commands(workflow))
    assert not any("${{" in command for command in commands(workflow))


def test_the_workflow_runs_only_pipelines_with_a_generator_and_an_oracle(project: Path) -> None:
    for name, modules in {
        "whole": ("transform", "generator", "oracle"),
        "small": ("transform", "generator"),
        "checked": ("transform", "oracle"),
        "notes": (),
    }.items():
        (project / "pipelines" / name).mkdir()
        for module in modules:
            (project / "pipelines" / name / f"{module}.py").write_text("")
    program = project / "bin" / "tandem"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    (script,) = (command for command in commands(project / ".github/workflows/test.yml") if "tandem" in command)
    variables = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    shell = ["/bin/bash", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=project, env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["--profile embedded --pipeline whole run"]


def test_the_workflows_of_a_deployment_install_what_the_project_requires(project: Path) -> None:
    assert CliRunner().invoke(app, ["new", "--ci", "github"]).exit_code == 0
    for name in FILES_OF_DEPLOYMENT:
        file = project / ".github/workflows" / name
        assert checked(file).returncode == 0
        assert "checkout." not in file.read_text("utf-8")
        installs = [command for command in commands(file) if "pip install" in command]
        assert len(installs) == len(workflow(file)["jobs"])
        assert all(
            re.fullmatch(rf"pip install -r requirements.txt '{DISTRIBUTION}\[[a-z,]+\]'", line) for line in installs
        )


def test_the_projects_own_test_passes_before_and_after_the_first_pipeline(project: Path) -> None:
    def tests() -> str:
        command = [sys.executable, "-m", "pytest", "-q", "pipelines/test_pipelines.py"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    assert "1 passed, 1 skipped" in tests()
    assert CliRunner().invoke(app, ["new", "clicks"]).exit_code == 0
    assert "2 passed" in tests()


@pytest.fixture
def compose(project: Path) -> Callable[..., dict[str, Any]]:
    """Returns the function that returns what Compose makes of the project's files."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker program on PATH")

    def model(*arguments: str) -> dict[str, Any]:
        command = ["docker", "compose", *arguments, "config", "--format", "json"]
        variables = {"PATH": os.environ["PATH"], "HOME": str(project)}
        done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return model


@pytest.mark.parametrize("profile", ["local", "gcp"])
def test_compose_finds_every_file_of_the_project(
    project: Path, compose: Callable[..., dict[str, Any]], profile: str
) -> None:
    (project / ".env.gcp").touch()
    model = compose("--profile", profile)
    assert model["name"] == "my-shop"
    mounts = {
        mount["source"]
        for service in model["services"].values()
        for mount in service["volumes"]
        if mount["type"] == "bind"
    }
    assert {str(project / name) for name in ("pipelines", "tandem.toml", ".tandem/containers/src")} <= mounts
    assert (str(project / ".env.gcp") in mounts) is (profile == "gcp")
    assert [path for path in mounts if not Path(path).exists()] == []
    contexts = {service["build"]["context"] for service in model["services"].values() if "build" in service}
    assert contexts == {str(project / ".tandem/containers")}


def test_values_and_services_of_the_project_win(project: Path, compose: Callable[..., dict[str, Any]]) -> None:
    with (project / ".env").open("a") as settings:
        settings.write("TANDEM_KAFKA__PORT=20092\n")
    with (project / "docker-compose.yml").open("a") as file:
        file.write("services:\n  mine: {image: mine, profiles: [local], depends_on: [kafka]}\n")
    (project / "docker-compose.override.yml").write_text("services:\n  mongo: {mem_limit: 2g}\n")
    services = compose()["services"]
    assert services["kafka"]["ports"][0]["published"] == "20092"
    assert list(services["mine"]["depends_on"]) == ["kafka"]
    assert int(services["mongo"]["mem_limit"]) == 2 * 2**30


def test_the_projects_own_copy_of_what_observes_is_mounted(
    project: Path, compose: Callable[..., dict[str, Any]]
) -> None:
    """As the guide says, because a start renews Tandem's files."""
    page = (ROOT / "docs/guides/observe.md").read_text("utf-8")
    (copy,) = re.findall(r"^cp -r .+$", page, re.MULTILINE)
    (override,) = re.findall(r"^```\n(services:\n  prometheus:.+?)^```", page, re.MULTILINE | re.DOTALL)
    subprocess.run(copy.split(), cwd=project, check=True)
    (project / "docker-compose.override.yml").write_text(override, "utf-8")
    services = compose("--profile", "observe")["services"]
    for name, target, folder in (
        ("prometheus", "/etc/tandem", "observe"),
        ("grafana", "/etc/tandem/dashboards", "observe/dashboards"),
    ):
        mounts = {mount["target"]: mount["source"] for mount in services[name]["volumes"]}
        assert mounts[target] == str(project / folder)
        assert any((project / folder).iterdir())


def test_the_dev_container_needs_only_the_project(project: Path, compose: Callable[..., dict[str, Any]]) -> None:
    shutil.rmtree(project / ".tandem")
    lines = (project / ".devcontainer/devcontainer.json").read_text("utf-8").splitlines()
    declared = json.loads("".join(line for line in lines if not line.strip().startswith("//")))
    model = compose("--file", f".devcontainer/{declared['dockerComposeFile']}")
    dev = model["services"][declared["service"]]
    (mount,) = dev["volumes"]
    assert (mount["source"], mount["target"]) == (str(project), declared["workspaceFolder"])
    dockerfile = (project / dev["build"]["dockerfile"]).read_text("utf-8")
    assert f"WORKDIR {declared['workspaceFolder']}\n" in dockerfile
    assert dev["build"]["context"] == str(project)


def test_the_dev_container_is_built_with_the_settings_of_the_project(
    project: Path, compose: Callable[..., dict[str, Any]]
) -> None:
    with (project / ".env").open("a") as settings:
        settings.write("TANDEM_CA=/etc/proxy.pem\nBASE_IMAGE=mirror/debian\n")
    model = compose("--file", ".devcontainer/compose.yml")
    assert model["services"]["dev"]["build"]["args"]["BASE_IMAGE"] == "mirror/debian"
    assert model["secrets"]["ca"]["file"] == "/etc/proxy.pem"


def test_the_dev_container_needs_no_settings(project: Path, compose: Callable[..., dict[str, Any]]) -> None:
    (project / ".env").unlink()
    model = compose("--file", ".devcontainer/compose.yml")
    assert model["secrets"]["ca"]["file"] == "/dev/null"


def test_a_project_without_its_settings_says_how_to_restore_them(project: Path) -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker program on PATH")
    (project / ".env").unlink()
    command = ["docker", "compose", "config"]
    variables = {"PATH": os.environ["PATH"], "HOME": str(project)}
    done = subprocess.run(command, cwd=project, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "`tandem init --restore .env` writes .env" in done.stderr


def test_the_doctor_knows_the_packaged_defaults_and_what_the_project_must_set(project: Path) -> None:
    local = load("local")
    assert doctor.dotenv(local).startswith("complete")
    own = project / ".env"
    own.write_text(own.read_text("utf-8").replace("TANDEM_PIPELINES_MOUNT=", "# "), "utf-8")
    with pytest.raises(TandemError, match="lacks TANDEM_PIPELINES_MOUNT"):
        doctor.dotenv(local)


def test_containers_run_in_a_project_only(folder: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError) as refused:
        project_folder()
    assert "tandem init" in refused.value.hint
    assert init().exit_code == 0
    assert project_folder() == folder


def test_a_start_renews_the_copy_and_another_command_only_makes_it(project: Path) -> None:
    """As after a clone, and after an upgrade of the package."""
    copied = project / ".tandem" / "containers"
    shutil.rmtree(copied)
    project_folder()
    base = copied / "compose" / "base.yml"
    base.write_text("an earlier version")
    project_folder()
    assert base.read_text("utf-8") == "an earlier version"
    renewed_folder()
    assert base.read_bytes() == (ROOT / "compose" / "base.yml").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Docker shows every file as the container's own")
@pytest.mark.parametrize("file", ["kafka/start.sh", "observe/rules.yml"])
def test_files_that_containers_cannot_read_are_named_with_the_command_that_helps(project: Path, file: str) -> None:
    base = project / ".tandem" / "containers" / "compose" / file
    base.chmod(0o600)
    with pytest.raises(EnvironmentNotReadyError, match=str(base)) as refused:
        check_mounts(project, project / "pipelines", None)
    assert refused.value.hint == f"cd {project} && chmod -R go+rX .tandem/containers pipelines tandem.toml"


def test_a_folder_with_such_files_is_refused_and_nothing_changes(folder: Path) -> None:
    (folder / "pipelines").mkdir()
    (folder / "docker-compose.yml").write_text("mine")
    (folder / "pipelines" / "conftest.py").write_text("mine")
    done = init()
    assert isinstance(done.exception, UsageError)
    assert "docker-compose.yml, pipelines/conftest.py" in str(done.exception)
    assert files(folder) == {"docker-compose.yml", "pipelines/conftest.py"}
    assert not (folder / ".tandem").exists()


def test_pipelines_of_before_and_other_files_stay(folder: Path) -> None:
    assert CliRunner().invoke(app, ["new", "clicks"]).exit_code == 0
    (folder / "README.md").write_text("mine")
    assert init().exit_code == 0
    assert files(folder) > {*FILES, "README.md", "pipelines/clicks/streams.py"}


def test_a_clone_gets_what_git_ignored_and_the_rest_stays(project: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    with (project / ".gitignore").open("a") as ignored:
        ignored.write(".env\n")
    (project / ".env").unlink()
    shutil.rmtree(project / ".tandem")
    (project / "requirements.txt").write_text("mine\n", "utf-8")
    done = init()
    assert (done.exit_code, done.stdout.splitlines()) == (0, [".env"])
    assert "--upgrade" in done.stderr
    assert "TANDEM_PROJECT=my-shop\n" in (project / ".env").read_text("utf-8")
    assert (project / ".tandem/containers/compose/base.yml").is_file()
    assert (project / "requirements.txt").read_text("utf-8") == "mine\n"
    assert init("--upgrade").stdout == ""


@pytest.mark.parametrize("in_git", [True, False])
def test_a_deleted_file_stays_deleted_until_it_is_named(project: Path, in_git: bool) -> None:
    if in_git:
        subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    path = ".github/workflows/test.yml"
    (project / path).unlink()
    done = init()
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"stays deleted: {path}; `tandem init --restore {path}` writes it again" in done.stderr
    assert not (project / path).exists()
    assert init("--restore", path).stdout.splitlines() == [path]
    assert (project / path).is_file()


def test_only_a_missing_file_of_the_project_is_restored(project: Path) -> None:
    (project / ".env").unlink()
    for path in ("requirements.txt", "README.md"):
        refused = init("--restore", path).exception
        assert isinstance(refused, UsageError)
        assert str(refused) == f"{path} is not a missing file of this project"
        assert refused.hint == "missing: .env"
    assert isinstance(init("--upgrade", "--restore", ".env").exception, UsageError)
    assert not (project / ".env").exists()


@pytest.mark.parametrize("arguments", [(), ("--upgrade", "--write")])
def test_a_tandem_of_a_checkout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = init(*arguments)
    assert isinstance(done.exception, UsageError)
    assert str(ROOT) in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_a_checkout_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "pipelines")
    done = init()
    assert isinstance(done.exception, UsageError)
    assert f"{ROOT} is a checkout of Tandem" in str(done.exception)


def test_a_failed_write_leaves_nothing(folder: Path) -> None:
    (folder / ".github").touch()
    done = init()
    assert isinstance(done.exception, TandemError)
    assert files(folder) == {".github"}


def test_write_needs_upgrade(folder: Path) -> None:
    assert isinstance(init("--write").exception, UsageError)
    assert list(folder.iterdir()) == []


def test_only_a_project_can_be_upgraded(folder: Path) -> None:
    done = init("--upgrade")
    assert isinstance(done.exception, UsageError)
    assert "tandem init" in done.exception.hint


def test_an_upgrade_of_the_same_version_changes_nothing(project: Path) -> None:
    done = init("--upgrade")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "up to date" in done.stderr


def test_an_upgrade_shows_what_it_would_change_and_writes_it_when_told_to(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(monkeypatch)
    before = (project / "requirements.txt").read_text("utf-8")
    shown = init("--upgrade")
    assert shown.exit_code == 0
    assert f"-{DISTRIBUTION}[embedded]=={__version__}\n+{DISTRIBUTION}[embedded]==0.2.0\n" in shown.stdout
    assert "would change: requirements.txt" in shown.stderr
    assert "--upgrade --write" in shown.stderr
    assert (project / "requirements.txt").read_text("utf-8") == before
    (project / ".tandem/containers/compose/base.yml").write_text("an earlier version")
    written = init("--upgrade", "--write")
    assert written.stdout == shown.stdout
    assert "==0.2.0" in (project / "requirements.txt").read_text("utf-8")
    assert json.loads((project / ".tandem-init.json").read_text("utf-8"))["version"] == "0.2.0"
    assert (project / ".tandem/containers/compose/base.yml").read_bytes() == (ROOT / "compose/base.yml").read_bytes()
    assert init("--upgrade").stdout == ""


def test_a_file_that_the_user_changed_is_kept_and_the_difference_is_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "requirements.txt"
    mine = f"{DISTRIBUTION}[embedded]=={__version__}\npandas\n"
    file.write_text(mine, "utf-8")
    # Only the user has changed it.
    assert init("--upgrade").stdout == ""
    newer(monkeypatch)
    done = init("--upgrade", "--write")
    assert "==0.2.0" in done.stdout
    assert "kept, because you changed it: requirements.txt" in done.stderr
    assert file.read_text("utf-8") == mine
    # The user has seen the difference.
    assert init("--upgrade").stdout == ""


def test_a_file_that_the_user_deleted_stays_deleted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "requirements.txt").unlink()
    newer(monkeypatch)
    assert init("--upgrade", "--write").exit_code == 0
    assert not (project / "requirements.txt").exists()


@pytest.mark.parametrize("arguments", [(), ("--upgrade",), ("--upgrade", "--write")])
def test_an_older_version_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    newer(monkeypatch)
    assert init("--upgrade", "--write").exit_code == 0
    before = {path: (project / path).read_bytes() for path in FILES}
    for module in (scaffold, upgrade):
        monkeypatch.setattr(module, "__version__", "0.1.9rc3")
    done = init(*arguments)
    assert isinstance(done.exception, UsageError)
    assert "version 0.2.0, and the installed version is 0.1.9rc3" in str(done.exception)
    assert ">=0.2.0" in done.exception.hint
    assert {path: (project / path).read_bytes() for path in FILES} == before


@pytest.mark.parametrize(
    ("older", "newer"), [("0.9.0", "0.10.0"), ("0.1.0", "0.1.0.1"), ("0.1.0rc1", "0.1.1"), ("1.0.0.dev5", "2.0.0")]
)
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert upgrade.release_of(older) < upgrade.release_of(newer)


@pytest.mark.parametrize("mine", ["mine", "mine\n"])
def test_the_difference_is_a_patch_whether_or_not_the_file_ends_with_a_newline(
    project: Path, monkeypatch: pytest.MonkeyPatch, mine: str
) -> None:
    (project / "requirements.txt").write_text(mine, "utf-8")
    newer(monkeypatch)
    patch = init("--upgrade").stdout
    done = subprocess.run(["git", "apply", "-"], cwd=project, input=patch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "==0.2.0" in (project / "requirements.txt").read_text("utf-8")


def test_a_file_that_is_new_in_a_version_is_written(project: Path) -> None:
    record = project / ".tandem-init.json"
    older = json.loads(record.read_text("utf-8"))
    del older["files"]["tandem.toml"]
    record.write_text(json.dumps(older), "utf-8")
    (project / "tandem.toml").unlink()
    assert "+# Your own profiles" in init("--upgrade").stdout
    init("--upgrade", "--write")
    assert (project / "tandem.toml").is_file()


def test_a_file_of_the_user_is_kept_if_a_version_has_a_new_one_of_its_name(project: Path) -> None:
    record = project / ".tandem-init.json"
    older = json.loads(record.read_text("utf-8"))
    del older["files"]["tandem.toml"]
    record.write_text(json.dumps(older), "utf-8")
    (project / "tandem.toml").write_text("# mine\n", "utf-8")
    assert "kept" in init("--upgrade", "--write").stderr
    assert (project / "tandem.toml").read_text("utf-8") == "# mine\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "x", "files": []}'])
def test_a_wrong_record_is_refused(project: Path, text: str) -> None:
    (project / ".tandem-init.json").write_text(text)
    done = init("--upgrade", "--write")
    assert isinstance(done.exception, UsageError)
    assert ".tandem-init.json" in str(done.exception)
