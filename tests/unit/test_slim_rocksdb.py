"""The image's copy of RocksDB has one platform's library, and everything else."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tests import ROOT

OURS = {"x86_64": "librocksdbjni-linux64.so", "aarch64": "librocksdbjni-linux-aarch64.so"}.get(platform.machine(), "")
OTHERS = ["librocksdbjni-linux-s390x.so", "librocksdbjni-linux64-musl.so", "librocksdbjni-win64.dll"]

pytestmark = pytest.mark.skipif(not OURS, reason="images are built for x86-64 and ARM")


def slim(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    with ZipFile(folder / "rocksdbjni-1.0.jar", "w", ZIP_DEFLATED) as jar:
        for name in names:
            jar.writestr(name, f"the content of {name}")
    command = [sys.executable, ROOT / "images" / "slim-rocksdb", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_only_the_libraries_of_other_platforms_are_removed(tmp_path: Path) -> None:
    done = slim(tmp_path, "META-INF/MANIFEST.MF", *OTHERS, OURS, "org/rocksdb/RocksDB.class")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["rocksdbjni-1.0.jar"]
    with ZipFile(tmp_path / "rocksdbjni-1.0.jar") as jar:
        assert jar.namelist() == ["META-INF/MANIFEST.MF", OURS, "org/rocksdb/RocksDB.class"]
        assert jar.read(OURS) == f"the content of {OURS}".encode()


def test_a_jar_without_this_platforms_library_fails_the_build(tmp_path: Path) -> None:
    done = slim(tmp_path, *OTHERS)
    assert done.returncode == 1
    assert f"has no {OURS}" in done.stderr
    with ZipFile(tmp_path / "rocksdbjni-1.0.jar") as jar:
        assert jar.namelist() == OTHERS
