"""Which environment a command is about that names none: what runs here, before what could."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from tandem.cli.app import app
from tandem.errors import UsageError
from tandem.platforms import default_profile, environment_for, running
from tandem.platforms.doctor import examine
from tandem.platforms.local_services.layout import Layout
from tandem.settings.load import read_settings
from tandem.settings.model import Backend
from tandem.supervision.process import Identity, identify, write_identity
from tests import ROOT

Docker = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("TANDEM_PROJECT", raising=False)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """A program that answers as Docker does, ``ps`` with the local profile's project; keeps what it is asked."""

    def make(project: str) -> Path:
        row = f"{project}\t{ROOT}\tlocal\t" if project else ""
        asked, program = tmp_path / "asked", tmp_path / "bin" / "docker"
        program.parent.mkdir()
        answers = f"""\
case "$1" in
  ps) printf '%s\\n' "{row}" ;;
  compose) echo 2.26.1 ;;
  *) echo '{{"ServerVersion": "1"}}' ;;
esac
"""
        program.write_text(f'#!/bin/sh\necho "$*" >> {asked}\n{answers}')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        return asked

    return make


def embedded_runs(tmp_path: Path, identity: Identity, profile: str = "embedded") -> Path:
    layout = Layout(tmp_path / "state" / profile)
    layout.create()
    write_identity(layout.pid("supervisor"), identity)
    return layout.home


def test_processes_that_run_come_before_an_engine_that_answers(tmp_path: Path, docker: Docker) -> None:
    asked = docker("")
    home = embedded_runs(tmp_path, identify(os.getpid()))
    assert default_profile() == ("embedded", f"it runs here, with its state in {home}")
    # One question, not what an engine is asked before containers are started.
    assert [line.split()[0] for line in asked.read_text().splitlines()] == ["ps"]


def test_containers_that_run_need_no_more_questions(docker: Docker) -> None:
    asked = docker("tandem-1234")
    assert default_profile() == ("local", "its containers run here, in the Compose project tandem-1234")
    assert len(asked.read_text().splitlines()) == 1


def test_the_projects_name_decides_where_it_is_set(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PROJECT", "mine")
    docker("mine")
    assert default_profile() == ("local", "its containers run here, in the Compose project mine")
    # Of this checkout, but not the one that is named.
    monkeypatch.setenv("TANDEM_PROJECT", "other")
    assert default_profile() == ("local", "a Docker engine answers")


def test_of_two_that_run_a_command_is_asked_which(tmp_path: Path, docker: Docker) -> None:
    docker("tandem-1234")
    embedded_runs(tmp_path, identify(os.getpid()))
    with pytest.raises(UsageError, match=r"several environments run here: embedded .*local .*tandem-1234") as refused:
        default_profile()
    assert refused.value.hint == "choose one: --profile embedded or --profile local"


def test_a_rehearsal_runs_here_too(tmp_path: Path, docker: Docker) -> None:
    docker("")
    embedded_runs(tmp_path, identify(os.getpid()), "rehearsal")
    assert default_profile()[0] == "rehearsal"


def test_where_nothing_runs_what_could_run_decides(tmp_path: Path, docker: Docker) -> None:
    docker("")
    # Of a supervisor that was killed, whose process id another program has now.
    embedded_runs(tmp_path, Identity(os.getpid(), "another boot/1"))
    assert default_profile() == ("local", "a Docker engine answers")


def test_without_a_profile_and_a_running_environment_no_data_is_deleted(
    tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = docker("")
    monkeypatch.delenv("TANDEM_PROFILE", raising=False)
    records = embedded_runs(tmp_path, Identity(os.getpid(), "another boot/1")) / "kafka" / "records"
    records.touch()
    error = CliRunner().invoke(app, ("down", "--volumes")).exception
    assert isinstance(error, UsageError)
    assert str(error) == "nothing runs here, so name the environment whose data to delete"
    assert records.exists()
    assert [line.split()[0] for line in asked.read_text().splitlines()] == ["ps"]
    monkeypatch.setenv("TANDEM_PROFILE", "embedded")
    assert CliRunner().invoke(app, ("down", "--volumes")).exception is None
    assert not records.exists()


@pytest.mark.parametrize("backend", get_args(Backend))
def test_every_backend_has_an_environment(backend: Backend) -> None:
    settings = read_settings("embedded").settings.model_copy(update={"backend": backend})
    assert environment_for(settings)


def test_an_unknown_backend_is_no_cloud() -> None:
    settings = read_settings("embedded").settings.model_copy(update={"backend": "unknown"})
    with pytest.raises(AssertionError, match="unknown"):
        environment_for(settings)
    with pytest.raises(AssertionError, match="unknown"):
        next(examine(settings, running=False))


def test_an_unknown_backend_does_not_count_as_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings("embedded").settings.model_copy(update={"backend": "unknown"})
    monkeypatch.setattr(running, "valid_settings", lambda: [settings])
    with pytest.raises(AssertionError, match="unknown"):
        running.running()
