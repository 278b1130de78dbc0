"""The source distribution, and the wheel that is built from it."""

from __future__ import annotations

import re
import sys
import tarfile
import tomllib
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.metadata import Metadata

from tandem import __version__
from tandem.errors import DISTRIBUTION, install_hint
from tests import ROOT
from tests.distribution import added_files, build

PACKAGES = ("tandem", "tandem_rehearsal")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    return ZipFile(build("wheel", source, tmp_path_factory.mktemp("wheel")))


def entry(wheel: ZipFile, name: str) -> str:
    (path,) = [path for path in wheel.namelist() if path.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def metadata(wheel: ZipFile) -> Message:
    return Parser().parsestr(entry(wheel, "METADATA"))


def test_the_source_has_what_a_checkout_needs(source: Path) -> None:
    for name in (
        "scripts/run",
        "requirements/embedded.txt",
        "images/Dockerfile",
        "docker-compose.yml",
        ".env",
        "tests",
    ):
        assert (source / name).exists(), name
    assert [path for path in source.rglob("*") if path.name in (".venv", ".tandem", "__pycache__")] == []


def test_the_wheel_has_every_file_of_its_packages(wheel: ZipFile) -> None:
    built = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {
        str(path.relative_to(ROOT / "src"))
        for package in PACKAGES
        for path in (ROOT / "src" / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert built == files | added_files().keys()
    assert {f"{package}/py.typed" for package in PACKAGES} <= built


def test_the_wheel_has_what_images_are_built_from(wheel: ZipFile) -> None:
    """Every file that the Dockerfile copies, except those of the dev container and the source."""
    inside, built = "tandem/containers/", set(wheel.namelist())
    stages = re.split(r"^FROM ", (ROOT / "images" / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    copied = [
        path
        for stage in stages
        if not stage.splitlines()[0].endswith(" AS dev")
        for line in re.findall(r"^COPY ((?!--from).+)", stage, re.MULTILINE)
        for path in line.split()[:-1]
        if not path.startswith("src")
    ]
    assert len(copied) > 8
    for path in copied:
        assert any(name == inside + path or name.startswith(f"{inside}{path}/") for name in built), path
    for name in ("with-ca", "trust-ca", "slim-rocksdb"):
        assert wheel.getinfo(f"{inside}images/{name}").external_attr >> 16 & 0o111, name


def test_the_metadata_is_valid_and_complete(wheel: ZipFile) -> None:
    valid = Metadata.from_email(entry(wheel, "METADATA"), validate=True)
    assert (valid.name, str(valid.version)) == (DISTRIBUTION, __version__)
    assert (valid.license_expression, valid.license_files) == ("Apache-2.0", ["LICENSE"])
    assert valid.summary
    assert valid.description
    assert valid.description_content_type == "text/markdown"
    assert "Typing :: Typed" in (valid.classifiers or [])
    assert entry(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text("utf-8")


def test_the_command_and_the_import_are_tandem(wheel: ZipFile) -> None:
    assert "tandem = tandem.cli.main:main" in entry(wheel, "entry_points.txt")
    # An extra of itself must not name the other project of that name.
    required = metadata(wheel).get_all("Requires-Dist") or []
    assert [text for text in required if text.startswith("tandem") and not text.startswith(DISTRIBUTION)] == []


def test_all_places_have_one_name_and_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["version"]) == (DISTRIBUTION, __version__)


def test_a_hint_installs_locked_packages_in_a_checkout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert install_hint("gcp") == f"in the checkout: {sys.executable} -m pip install -r requirements/gcp.txt"
    assert (ROOT / "requirements" / "gcp.txt").is_file()
    monkeypatch.setattr("tandem.errors.checkout", lambda: None)
    assert install_hint("gcp") == "pip install 'tandem-streams[gcp]'"
