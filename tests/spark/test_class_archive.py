"""Java's class archive with a real Java: before version 25, it is silently ignored with another class path."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tandem.artifacts.ivy import spark_jars
from tandem.local_spark.local_spark import LocalSpark, configure
from tandem.settings.load import load
from tandem.settings.model import Settings

# Java has an archive of its own classes. From Java 25 on, its name in the log is that of ours.
ARCHIVED = re.compile(r"org\.apache\.spark\.\S+ source: shared objects file")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a cache of their own, which has the jars."""
    found = load("embedded")
    cache = tmp_path / "cache"
    cache.mkdir()
    LocalSpark.find(found)
    (cache / "jars").symlink_to(found.cache_dir / "jars")
    return found.model_copy(update={"cache_dir": cache})


def archived_classes(settings: Settings, folder: Path, *, record: bool = False, **variables: str) -> int:
    """Starts the Java of a driver, and returns the number of Spark's classes that it takes from the archive."""
    spark = LocalSpark.find(settings)
    configure(settings, folder, folder)
    loaded = folder / "loaded.txt"
    environment = {**spark.prepare(settings, folder, record=record), **variables}
    environment["SPARK_SUBMIT_OPTS"] += f" -Xlog:class+load=info:file={loaded}"
    *options, _ = shlex.split(environment["PYSPARK_SUBMIT_ARGS"])
    program = spark_jars().parent / "bin" / "spark-submit"
    subprocess.run([program, *options, "--version"], env=environment, check=True, capture_output=True, timeout=120)
    spark.archive.keep()
    return len(ARCHIVED.findall(loaded.read_text()))


def test_drivers_with_other_folders_use_the_archive_of_another(settings: Settings, tmp_path: Path) -> None:
    """A job, its check before a start and another environment have a folder each, and share the archive."""
    assert archived_classes(settings, tmp_path / "first", record=True) == 0
    archived_classes(settings, tmp_path / "second", record=True)
    assert archived_classes(settings, tmp_path / "third") > 100


def test_another_folder_on_the_class_path_makes_java_ignore_the_archive(settings: Settings, tmp_path: Path) -> None:
    """This is why ``SPARK_CONF_DIR`` is the same everywhere."""
    if LocalSpark.find(settings).java.version >= 25:
        pytest.skip("Java 25 accepts another class path")
    for name in ("first", "second"):
        archived_classes(settings, tmp_path / name, record=True)
    assert LocalSpark.find(settings).archive.recorded
    other = tmp_path / "other"
    other.mkdir()
    assert archived_classes(settings, tmp_path / "third", SPARK_CONF_DIR=str(other)) == 0
