import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem.artifacts import cache
from tandem.artifacts.ivy import fetch, fetch_error, spark_jars
from tandem.artifacts.lock import Jar, JarSet, locked, render
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.runtimes import runtimes

GOOD = b"a jar"
SETS = {"spark": JarSet("spark", (Jar("g", "a", "1.0", hashlib.sha256(GOOD).hexdigest()),))}


@pytest.fixture(autouse=True)
def _one_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "locked", lambda: SETS)


class Fetcher:
    """Stands for Ivy: writes one file."""

    def __init__(self, content: bytes = GOOD, problem: Exception | None = None, seconds: float = 0) -> None:
        self.calls, self._content, self._problem, self._seconds = 0, content, problem, seconds

    def __call__(self, _packages: list[str], *, into: Path, on_jar: Callable[[], None], **_: object) -> None:
        self.calls += 1
        time.sleep(self._seconds)
        if self._problem:
            raise self._problem
        (into / "jars").mkdir()
        (into / "jars" / "a-1.0.jar").write_bytes(self._content)
        on_jar()


def leftovers(folder: Path) -> Iterator[Path]:
    return (path for path in (folder / "jars").glob("*") if path.name != ".lock")


def test_the_lock_holds_every_package_and_nothing_that_spark_ships() -> None:
    sets = locked()
    for name, packages in runtimes().packages.items():
        assert set(packages) <= {jar.coordinates for jar in sets[name].jars}
    shipped = {path.name.rpartition("-")[0] for path in spark_jars().glob("*.jar")}
    assert not shipped & {jar.artifact for jar in sets["spark"].jars}


def test_an_archive_keeps_its_ending() -> None:
    coordinates = "g:a:1.0:all@tar.gz"
    (archive,) = locked(f'[set]\n"{coordinates}" = "{"0" * 64}"\n')["set"].jars
    assert (archive.coordinates, archive.file) == (coordinates, "a-1.0-all.tar.gz")


def test_a_lock_is_read_as_it_was_written() -> None:
    assert locked(render(locked())) == locked()


@pytest.mark.parametrize(
    "text", ['[spark]\n"g:a" = "00"', '[spark]\n"g:a:1" = "00"', "[spark", '[spark]\n"g:a/../b:1" = "' + "0" * 64 + '"']
)
def test_a_broken_lock_is_refused(text: str) -> None:
    with pytest.raises(TandemError, match=r"jars\.lock"):
        locked(text)


def test_the_digest_changes_with_any_checksum() -> None:
    (jar,) = SETS["spark"].jars
    other = JarSet("spark", (Jar(jar.group, jar.artifact, jar.version, "0" * 64),))
    assert other.digest != SETS["spark"].digest


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    fetcher = Fetcher()
    first = cache.ensure_jars(tmp_path, "java", ["spark"], fetcher)
    assert cache.ensure_jars(tmp_path, "java", ["spark"], fetcher) == first
    assert first["spark"][0].read_bytes() == GOOD
    assert fetcher.calls == 1


def test_a_jar_that_was_removed_is_fetched_again(tmp_path: Path) -> None:
    fetcher = Fetcher()
    cache.ensure_jars(tmp_path, "java", ["spark"], fetcher)["spark"][0].unlink()
    assert cache.ensure_jars(tmp_path, "java", ["spark"], fetcher)["spark"][0].is_file()
    assert fetcher.calls == 2


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    fetcher = Fetcher(seconds=0.3)
    threads = [threading.Thread(target=cache.ensure_jars, args=(tmp_path, "java", ["spark"], fetcher)) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetcher.calls == 1


def test_a_wrong_checksum_names_the_file_and_installs_nothing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError, match=r"a-1\.0\.jar has sha256"):
        cache.ensure_jars(tmp_path, "java", ["spark"], Fetcher(b"another jar"))
    assert list(leftovers(tmp_path)) == []


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentNotReadyError, match="cannot be written") as caught:
        cache.ensure_jars(tmp_path / "file", "java", ["spark"], Fetcher())
    assert "TANDEM_CACHE_DIR" in caught.value.hint


def test_a_full_disk(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(EnvironmentNotReadyError, match="no space left"):
        cache.ensure_jars(tmp_path, "java", ["spark"], Fetcher(problem=full))
    assert list(leftovers(tmp_path)) == []


@pytest.mark.parametrize(
    ("line", "hint"),
    [("java.net.UnknownHostException: repo", "network"), ("java.io.IOException: No space left on device", "free some")],
)
def test_what_ivy_says_becomes_a_hint(line: str, hint: str) -> None:
    assert hint in fetch_error(["resolving", line], {}).hint


def test_a_java_that_is_not_there_is_no_fault_of_the_cache(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="the Java program /none cannot be started: No such file"):
        cache.ensure_jars(tmp_path, "/none", ["spark"], fetch)
    assert list(leftovers(tmp_path)) == []


def test_the_image_copies_all_that_fetching_jars_imports(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    for line in (root / "images" / "Dockerfile").read_text("utf-8").splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and words[-1].startswith("/src/tandem"):
            target = tmp_path / words[-1].removeprefix("/")
            for source in map(root.joinpath, words[1:-1]):
                if source.is_dir():
                    shutil.copytree(source, target)
                else:
                    target.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, target)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tandem.artifacts", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--fetch FOLDER" in done.stdout


def test_java_reads_the_caches_name_whatever_the_locale_and_leaves_nothing_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    java = tmp_path / "java"
    java.write_text(f'#!/bin/sh\necho "$LC_ALL $*" > {tmp_path}/asked\n')
    java.chmod(0o755)
    into = tmp_path / "zoë"
    into.mkdir()
    fetch(["a:b:1"], java=java, into=into, pattern="[artifact].[ext]", transitive=False)
    assert (tmp_path / "asked").read_text("utf-8").startswith(f"C.UTF-8 -Djava.io.tmpdir={into} ")


@pytest.mark.parametrize("transitive", [False, True])
def test_descriptions_of_jars_are_fetched_for_their_dependencies_only(tmp_path: Path, transitive: bool) -> None:
    java = tmp_path / "java"
    java.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\n')
    java.chmod(0o755)
    fetch(["a:b:1"], java=java, into=tmp_path, pattern="[artifact].[ext]", transitive=transitive)
    settings = tmp_path / "ivysettings.xml"
    assert settings.exists() is not transitive
    assert (f"-settings {settings}" in (tmp_path / "asked").read_text("utf-8")) is not transitive
    if not transitive:
        assert 'usepoms="false"' in settings.read_text("utf-8")
