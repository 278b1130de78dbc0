from __future__ import annotations

import dataclasses
import os
import re
import time
from pathlib import Path

import pytest

from tandem.local_spark.class_archive import ClassArchive
from tandem.local_spark.java import Java

JAVA = Java(Path("/j/bin/java"), Path("/j"), 17, "OpenJDK 17.0.15 build 6")


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    jar = tmp_path / "a.jar"
    jar.touch()
    return jar


def record(archive: ClassArchive) -> None:
    """Starts twice, and does what the second Java does when it exits."""
    archive.options()
    found = re.search(r'"-XX:(?:ArchiveClassesAtExit|AOTCacheOutput)=(.+?)"', archive.options())
    assert found
    Path(found[1]).write_text("classes")


@pytest.mark.parametrize(("version", "use"), [(17, "SharedArchiveFile"), (24, "SharedArchiveFile"), (25, "AOTCache")])
def test_the_second_start_records_and_the_next_uses_it(version: int, use: str, tmp_path: Path, jar: Path) -> None:
    java = dataclasses.replace(JAVA, version=version)
    # A start that may not record counts for nothing.
    assert ClassArchive(tmp_path, java, [jar]).options(record=False) == ""
    first = ClassArchive(tmp_path, java, [jar])
    assert first.options() == ""
    assert first.linger_s() == 0
    first.keep()
    assert not first.recorded
    archive = ClassArchive(tmp_path, java, [jar])
    record(archive)
    assert archive.linger_s() > 0
    archive.keep()
    assert f"-XX:{use}=" in archive.options()
    assert archive.linger_s() == 0
    assert f"-XX:{use}=" in ClassArchive(tmp_path, java, [jar]).options()


def test_what_was_not_written_to_its_end_is_not_used(tmp_path: Path, jar: Path) -> None:
    """A driver that is killed leaves a draft; it is never kept, and does not stay."""
    archive = ClassArchive(tmp_path, JAVA, [jar])
    record(archive)
    assert "ArchiveClassesAtExit" in archive.options()
    archive.keep()
    assert not archive.recorded
    assert not any("jsa" in file.name for file in (tmp_path / "classes").iterdir())


def test_another_java_or_class_path_has_another_archive(tmp_path: Path, jar: Path) -> None:
    archive = ClassArchive(tmp_path, JAVA, [jar])
    record(archive)
    archive.keep()
    other = dataclasses.replace(JAVA, build="OpenJDK 17.0.16 build 1")
    assert not ClassArchive(tmp_path, other, [jar]).recorded
    assert not ClassArchive(tmp_path, JAVA, [jar, jar]).recorded
    os.utime(jar, (1, 1))
    assert not ClassArchive(tmp_path, JAVA, [jar]).recorded


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, jar: Path) -> None:
    (tmp_path / "file").touch()
    archive = ClassArchive(tmp_path / "file", JAVA, [jar])
    assert archive.options() == ""
    assert archive.linger_s() == 0
    archive.keep()


def test_what_was_not_used_for_long_is_dropped(tmp_path: Path, jar: Path) -> None:
    folder = tmp_path / "classes"
    folder.mkdir()
    for name, age in (("old.jsa", 40), ("new.jsa", 5)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age * 86_400,) * 2)
    archive = ClassArchive(tmp_path, JAVA, [jar])
    record(archive)
    archive.keep()
    assert {file.name for file in folder.iterdir()} >= {"new.jsa"}
    assert not (folder / "old.jsa").exists()
