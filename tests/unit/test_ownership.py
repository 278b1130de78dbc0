"""Whose containers and state folders are, when profiles of two folders have one name."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from tandem.errors import TandemError, UsageError
from tandem.platforms import environment_for
from tandem.platforms.compose.cli import project_name
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import Engine
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.running import running
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.supervision.process import identify, write_identity
from tests import ROOT


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, each with a profile ``mine``."""
    made = tmp_path / "a", tmp_path / "b"
    for folder in made:
        folder.mkdir()
    return made


def load_in(folder: Path, monkeypatch: pytest.MonkeyPatch, like: str, more: str = "") -> Settings:
    monkeypatch.chdir(folder)
    Path("tandem.toml").write_text(f'[profile.mine]\nlike = "{like}"\n{more}')
    return load("mine")


def engine_with(
    monkeypatch: pytest.MonkeyPatch,
    *kafkas: tuple[str, dict[str, str]],
    volumes: dict[str, dict[str, str] | None] | None = None,
) -> list[str]:
    """Lets an engine answer that has these Kafkas of this checkout: the projects, and further labels.

    Every project has the volumes. Returns the commands of Compose and the removed volumes.
    """
    found, done = [], list[str]()
    for project, labels in kafkas:
        own = {"project": project, "service": "kafka", "oneoff": "False", "project.working_dir": str(ROOT)}
        found.append(SimpleNamespace(labels={f"com.docker.compose.{name}": own[name] for name in own} | labels))

    def listed(filters: dict[str, list[str]], **_: object) -> list[Any]:
        wanted = [label.split("=", 1) for label in filters["label"]]
        return [each for each in found if all(each.labels.get(name) == value for name, value in wanted)]

    kept = [
        SimpleNamespace(name=name, attrs={"Labels": labels}, remove=partial(done.append, name))
        for name, labels in (volumes or {}).items()
    ]
    client = Mock(containers=SimpleNamespace(list=listed), volumes=SimpleNamespace(list=lambda **_: kept))
    monkeypatch.setattr("docker.DockerClient", lambda **_: client)
    monkeypatch.setattr(Project, "containers", Containers(Engine("unix:///x", 0)))
    monkeypatch.setattr(Project, "plain", lambda _: SimpleNamespace(run=lambda *_: done.append("down") or 0))
    return done


def test_profiles_of_one_name_in_two_folders_are_two_projects(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (load_in(folder, monkeypatch, "local") for folder in folders)
    assert project_name(ROOT, first) != project_name(ROOT, second)
    labels = {"tandem.profile": "mine", "tandem.profiles": str(first.profile_file)}
    engine_with(monkeypatch, ("started-by-hand", labels))
    assert Project(first).name == "started-by-hand"
    assert Project(second).name == project_name(ROOT, second)


def test_a_project_of_the_same_profile_of_another_folder_is_refused(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (load_in(folder, monkeypatch, "local", 'project = "shop"') for folder in folders)
    engine_with(monkeypatch, ("shop", {"tandem.profile": "mine", "tandem.profiles": str(first.profile_file)}))
    assert Project(first).name == "shop"
    with pytest.raises(UsageError, match=f"shop belongs to the profile mine of {first.profile_file}") as refused:
        _ = Project(second).name
    assert refused.value.hint.startswith(f"call tandem in {folders[0]}")


def test_two_profiles_of_one_file_whose_projects_have_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = '[profile.other]\nlike = "local"\nenvironment = "shop"\n'
    mine = load_in(tmp_path, monkeypatch, "local", f'environment = "shop"\n{other}')
    engine_with(
        monkeypatch,
        (project_name(ROOT, mine), {"tandem.profile": "other", "tandem.profiles": str(mine.profile_file)}),
    )
    with pytest.raises(UsageError, match="belongs to the profile other, not to mine"):
        _ = Project(mine).name


def test_containers_of_an_earlier_version_belong_to_the_packaged_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_with(monkeypatch, ("tandem", {}))
    assert Project(load("local")).name == "tandem"
    mine = load_in(tmp_path, monkeypatch, "local")
    assert Project(mine).name == project_name(ROOT, mine)
    engine_with(monkeypatch, ("tandem", {"tandem.profile": "mine", "tandem.profiles": "../tandem.toml"}))
    assert Project(load("local")).name != "tandem"
    assert Project(mine).name != "tandem"


def test_a_project_of_another_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"com.docker.compose.project.working_dir": str(tmp_path), "tandem.profile": "local"}
    engine_with(monkeypatch, ("shop", there))
    shop = load("local", {"project": "shop"})
    # That folder is gone.
    assert Project(shop).name == "shop"
    (tmp_path / "docker-compose.yml").touch()
    with pytest.raises(UsageError, match=f"shop belongs to the folder {tmp_path}, not to {ROOT}"):
        _ = Project(shop).name


def test_a_stopped_project_of_another_profile_is_refused(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers are gone, so only the volumes show whose they are."""
    first, second = (load_in(folder, monkeypatch, "local", 'project = "shop"') for folder in folders)
    labels: dict[str, str] = {"tandem.profile": "mine", "tandem.profiles": str(first.profile_file)}
    done = engine_with(monkeypatch, volumes={"shop_kafka_official": labels})
    with pytest.raises(UsageError, match=f"shop belongs to the profile mine of {first.profile_file}"):
        _ = Project(second).name
    with pytest.raises(UsageError, match="shop belongs to the profile mine, not to local"):
        Project(load("local", {"project": "shop"})).down(volumes=True)
    assert not done
    Project(first).down(volumes=True)
    assert done == ["down", "shop_kafka_official"]
    # The first profile is gone.
    shutil.rmtree(folders[0])
    assert Project(second).name == "shop"


def test_volumes_of_services_that_watch_do_not_show_whose_a_project_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker compose --profile observe up` labels them with the profile of .env, which is local."""
    mine = load_in(tmp_path, monkeypatch, "local", 'project = "shop"')
    own = {"tandem.profile": "mine", "tandem.profiles": str(mine.profile_file)}
    watching = {
        f"shop_{name}": {"tandem.profile": "local", "com.docker.compose.volume": name}
        for name in ("prometheus", "grafana", "ui-conf", "cloud-ui-conf")
    }
    done = engine_with(monkeypatch, volumes={**watching, "shop_kafka_official": own})
    assert Project(mine).name == "shop"
    Project(mine).down(volumes=True)
    assert set(done) == {"down", *watching, "shop_kafka_official"}
    with pytest.raises(UsageError, match="shop belongs to the profile mine, not to local"):
        _ = Project(load("local", {"project": "shop"})).name


def test_a_volume_of_another_program_is_kept_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    done = engine_with(monkeypatch, volumes={"shop_grafana": {"com.docker.compose.volume": "grafana"}})
    with pytest.raises(UsageError, match="shop has volumes without Tandem's labels: shop_grafana"):
        Project(load("local", {"project": "shop"})).down(volumes=True)
    assert not done


@pytest.mark.parametrize("labels", [None, {"org.other": "x"}])
def test_volumes_of_another_program_are_kept(monkeypatch: pytest.MonkeyPatch, labels: dict[str, str] | None) -> None:
    done = engine_with(monkeypatch, volumes={"own": {"tandem.profile": "local"}, "precious": labels})
    named = Project(load("local", {"project": "myapp"}))
    with pytest.raises(UsageError, match="myapp has volumes without Tandem's labels: precious") as refused:
        named.down(volumes=True)
    assert "TANDEM_PROJECT" in refused.value.hint
    assert not done
    named.down(volumes=False)
    assert done == ["down"]


def test_volumes_of_an_earlier_version_are_deleted_in_the_project_that_tandem_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for settings in (load("local"), load_in(tmp_path, monkeypatch, "local")):
        done = engine_with(monkeypatch, volumes={"earlier": None})
        Project(settings).down(volumes=True)
        assert done == ["down", "earlier"]


def test_a_project_with_containers_of_another_program_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = engine_with(monkeypatch, ("myapp", {"com.docker.compose.project.working_dir": str(tmp_path)}))
    with pytest.raises(UsageError, match="myapp has containers of another program: kafka"):
        Project(load("local", {"project": "myapp"})).down(volumes=False)
    assert not done


def test_containers_of_an_earlier_version_run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / "state"))
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' 'tandem\t{ROOT}\t\t'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert running() == {"local": "its containers run here, in the Compose project tandem"}


@pytest.mark.parametrize("like", ["embedded", "rehearsal"])
def test_a_state_folder_of_another_folders_profile_is_refused(
    like: str, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", "")
    first, second = (load_in(folder, monkeypatch, like) for folder in folders)
    assert first.home == second.home
    # Nobody has used it yet.
    environment_for(second)
    record_start(first)
    environment_for(first)
    refusal = f"state folder {second.home} belongs to the profile mine of {first.profile_file}"
    with pytest.raises(UsageError, match=refusal) as refused:
        environment_for(second)
    assert refused.value.hint.startswith(f"call tandem in {folders[0]}")
    assert running() == {}
    monkeypatch.chdir(folders[0])
    assert list(running()) == ["mine"]
    # The first profile is gone.
    shutil.rmtree(folders[0])
    environment_for(second)


def test_a_folder_that_was_moved_keeps_its_state(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_in(folders[0], monkeypatch, "embedded")
    record_start(first)
    shutil.copytree(folders[0] / ".tandem", folders[1] / ".tandem")
    environment_for(load_in(folders[1], monkeypatch, "embedded"))


@pytest.mark.parametrize("place", ["b/.tandem", "shared"])
def test_another_profiles_state_below_the_own_folder_is_refused(
    place: str, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile of a folder above it has the same name."""
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / place))
    below, above = (load_in(folder, monkeypatch, "embedded") for folder in (folders[1], tmp_path))
    record_start(below)
    environment_for(below)
    with pytest.raises(UsageError, match=f"belongs to the profile mine of {below.profile_file}"):
        environment_for(above)


@pytest.mark.parametrize("like", ["embedded", "rehearsal"])
def test_down_deletes_no_folder_that_tandem_has_not_created(
    like: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / "state"))
    settings = load_in(tmp_path, monkeypatch, like)
    environment, foreign = environment_for(settings), settings.home / "kafka" / "precious"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    (settings.home / ".gitignore").write_text("*.log\n")
    assert not environment.stop().ran
    with pytest.raises(UsageError, match=f"Tandem has not created {settings.home}, so its kafka is kept") as refused:
        environment.stop(volumes=True)
    assert "TANDEM_STATE_DIR" in refused.value.hint
    assert foreign.exists()
    assert not (settings.home / "run").exists()
    (settings.home / ".gitignore").unlink()
    # The same folder after a start, and one whose processes' folder the user removed.
    for removed in (None, settings.home / "run"):
        Layout(settings.home).create()
        foreign.touch()
        if removed:
            shutil.rmtree(removed)
        assert environment.stop(volumes=True).deleted == f"kafka in {settings.home}"
        assert not foreign.exists()


def test_data_that_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_in(tmp_path, monkeypatch, "embedded")
    layout = Layout(settings.home)
    layout.create()
    layout.kafka.rmdir()
    layout.kafka.touch()
    with pytest.raises(TandemError, match=f"the data in {settings.home} cannot be deleted: .*kafka"):
        environment_for(settings).stop(volumes=True)


def record_start(settings: Settings) -> None:
    """Writes what the start of a supervisor leaves in the state folder, with this process as the supervisor."""
    layout = Layout(settings.home)
    layout.create()
    layout.settings.write_text(settings.model_dump_json())
    write_identity(layout.pid("supervisor"), identify(os.getpid()))
