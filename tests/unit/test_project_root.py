"""A project is the same from each of its folders: settings, pipelines, containers and state."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem import checkout
from tandem.cli.app import app
from tandem.errors import UsageError
from tandem.scaffold import project as scaffold
from tandem.settings.load import load, own_pipelines
from tandem.settings.profiles import own_file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a repository, for a Tandem that was installed from a wheel; returns its folder."""
    for module in (checkout, scaffold):
        monkeypatch.setattr(module, "checkout", lambda: None)
    for name in ("TANDEM_PIPELINES_DIR", "TANDEM_STATE_DIR", "TANDEM_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "shop"
    inner = folder / "pipelines" / "clicks"
    inner.mkdir(parents=True)
    (inner / "streams.py").write_text("")
    (folder / ".env.mine").write_text("TANDEM_KAFKA__PORT=20000\n")
    (folder / "docker-compose.yml").write_text(f"include: [{checkout.COPY}/docker-compose.yml]\n")
    return folder


@pytest.mark.parametrize("mark", [".tandem-init.json", "tandem.toml"])
@pytest.mark.parametrize("inner", [".", "pipelines", "pipelines/clicks"])
def test_a_project_is_found_from_each_of_its_folders(
    mark: str, inner: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / mark).touch()
    (project / "tandem.toml").write_text('[profile.mine]\nlike = "embedded"\ncache_dir = "cache"\n')
    monkeypatch.chdir(project / inner)
    found = load("mine", {"pipeline": "clicks"})
    assert found.location.folder == project / "pipelines" / "clicks"
    assert found.kafka.port == 20000
    assert found.cache_dir == project / "cache"
    assert (own_file(), own_pipelines()) == (project / "tandem.toml", project / "pipelines")
    assert checkout.project_folder() == project
    # Packaged profiles and those of the user have the same folder.
    assert {load(name).state_dir for name in ("mine", "embedded")} == {project / ".tandem"}


def test_without_a_project_the_current_folder_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "pipelines")
    assert own_pipelines() == project / "pipelines" / "pipelines"
    with pytest.raises(UsageError, match="there is no pipeline 'clicks'"):
        load("embedded", {"pipeline": "clicks"})
    assert checkout.project_folder() is None


def test_a_path_of_the_shell_or_the_command_line_is_relative_to_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tandem.toml").touch()
    monkeypatch.chdir(project / "pipelines")
    monkeypatch.setenv("TANDEM_CACHE_DIR", "near")
    found = load("embedded", {"state_dir": "given"})
    assert (found.cache_dir, found.state_dir) == (project / "pipelines" / "near", project / "pipelines" / "given")
    monkeypatch.setenv("TANDEM_PIPELINES_DIR", "others")
    assert own_pipelines() == project / "pipelines" / "others"


def test_a_new_pipeline_and_new_workflows_are_written_to_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tandem.toml").touch()
    monkeypatch.chdir(project / "pipelines" / "clicks")
    assert CliRunner().invoke(app, ["new", "views"]).exit_code == 0
    assert (project / "pipelines" / "views" / "streams.py").is_file()
    assert CliRunner().invoke(app, ["new", "--ci", "github"]).exit_code == 0
    assert (project / ".github" / "workflows" / "tandem-test.yml").is_file()


def test_a_project_cannot_be_created_within_another(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".tandem-init.json").touch()
    monkeypatch.chdir(project / "pipelines")
    refused = CliRunner().invoke(app, ["init"]).exception
    assert isinstance(refused, UsageError)
    assert str(refused) == f"{project / 'pipelines'} is in the project {project}"
    assert not (project / "pipelines" / "tandem.toml").exists()
