"""Builds the source distribution and the wheel, and installs the wheel as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path

from tests import ROOT


def build(kind: str, source: Path, folder: Path) -> Path:
    """Returns the file that was built.

    Args:
        kind: ``sdist`` or ``wheel``.
        source: a checkout, or an unpacked source distribution.
        folder: an empty folder for the file.
    """
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = folder.iterdir()
    return file


def install(wheel: Path, folder: Path) -> Path:
    """Returns the folder of programs of a new virtual environment with a wheel, locked packages and pytest.

    Args:
        wheel: the wheel.
        folder: an empty folder for the environment.
    """
    lock = ROOT / "requirements"
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-build-isolation"]
    variables = {**os.environ, "DIST_EXTRA_CONFIG": str(lock / "build.cfg")}
    for what in (("-r", lock / "build.txt"), ("-r", lock / "embedded.txt"), (wheel,)):
        subprocess.run([*command, "--no-deps", *what], env=variables, check=True, timeout=600)
    subprocess.run([*command, f"pytest=={version('pytest')}"], env=variables, check=True, timeout=600)
    return folder / "bin"


def added_files() -> dict[str, Path]:
    """Returns the files that the wheel has besides those of its packages, by their paths in the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    added: dict[str, str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    found: dict[str, Path] = {}
    for source, target in added.items():
        place = ROOT / source
        files = [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]
        found |= {
            str(Path(target) / file.relative_to(place)): file for file in files if "__pycache__" not in file.parts
        }
    return found


def package_in(folder: Path) -> Path:
    """Returns the folder ``containers`` as an installed wheel has it, made in an empty folder."""
    for path, source in added_files().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, file)
    return folder / "tandem" / "containers"
