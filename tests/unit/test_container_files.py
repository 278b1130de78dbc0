"""What containers need, copied from the installed package into a project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem import checkout, container_files
from tandem.container_files import copy_into
from tandem.errors import EnvironmentNotReadyError
from tests import ROOT
from tests.distribution import package_in


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns an empty folder, for a Tandem that was installed from a wheel."""
    monkeypatch.setattr(container_files, "PACKAGED", package_in(tmp_path / "installed"))
    monkeypatch.setattr(checkout, "checkout", lambda: None)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def private_files() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_copy_has_the_checkouts_layout(project: Path) -> None:
    copy_into(project)
    copied = files(project / ".tandem" / "containers")
    assert {"docker-compose.yml", ".env", "compose/base.yml", "images/Dockerfile"} <= copied
    assert {"src/tandem/engine/submitted/job.py", "requirements/spark.txt"} <= copied
    for path in copied:
        assert (project / ".tandem" / "containers" / path).read_bytes() == (ROOT / path).read_bytes(), path
    assert not [path for path in copied if "__pycache__" in path]


@pytest.mark.usefixtures("private_files")
def test_the_users_in_containers_can_read_the_copy(project: Path) -> None:
    copy_into(project)
    copied = project / ".tandem" / "containers"
    for path in (copied, *copied.rglob("*")):
        assert path.stat().st_mode & 0o044 == 0o044, path
        assert path.is_file() or path.stat().st_mode & 0o011 == 0o011, path
    assert (copied / "images" / "with-ca").stat().st_mode & 0o111 == 0o111


def test_a_renewed_copy_has_no_old_file_and_leaves_the_others_alone(project: Path) -> None:
    copy_into(project)
    copied = project / ".tandem" / "containers"
    changed, same, old = copied / "compose" / "base.yml", copied / "compose" / "job.yml", copied / "compose" / "old.yml"
    os.utime(same, (1, 1))
    changed.write_text("an earlier version")
    old.write_text("of an earlier version")
    copy_into(project)
    assert changed.read_bytes() == (ROOT / "compose" / "base.yml").read_bytes()
    assert same.stat().st_mtime == 1
    assert not old.exists()


def test_a_folder_that_cannot_be_written_is_named(project: Path) -> None:
    (project / ".tandem").touch()
    with pytest.raises(EnvironmentNotReadyError, match=r"\.tandem/containers cannot be written"):
        copy_into(project)


def test_a_project_is_a_folder_that_includes_the_copy(project: Path) -> None:
    assert checkout.project_folder() is None
    file = project / "docker-compose.yml"
    file.write_text("services: {}\n")
    assert checkout.project_folder() is None
    file.write_text("include: [.tandem/containers/docker-compose.yml]\n")
    assert checkout.project_folder() == project
    assert checkout.fragments(project) == project / ".tandem" / "containers"


def test_the_checkout_is_a_project_wherever_a_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker-compose.yml").write_text("include: [.tandem/containers/docker-compose.yml]\n")
    monkeypatch.chdir(tmp_path)
    assert checkout.project_folder() == ROOT
    assert checkout.fragments(ROOT) == ROOT


def test_the_copy_has_the_source_without_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "tandem"
    for path in ("module.py", "docs/index.md", "containers/docker-compose.yml"):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text("x")
    for name, value in {"_PACKAGE": package, "PACKAGED": package / "containers", "_DOCS": package / "docs"}.items():
        monkeypatch.setattr(container_files, name, value)
    container_files.copy_into(tmp_path)
    copied = [path for path in (tmp_path / checkout.COPY).rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / checkout.COPY)) for path in copied} == {
        "docker-compose.yml",
        "src/tandem/module.py",
    }
