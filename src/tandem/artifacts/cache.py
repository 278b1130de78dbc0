"""The cache of jars: one folder per set, either complete and verified or absent."""

from __future__ import annotations

import errno
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import structlog

from tandem.artifacts.ivy import fetch
from tandem.artifacts.lock import JarSet, locked, sha256_of
from tandem.errors import EnvironmentNotReadyError
from tandem.progress_display import ProgressDisplay, progress
from tandem.runtimes import runtimes
from tandem.waiting import wait_for

Fetch = Callable[..., None]
_log = structlog.get_logger(__name__)


def environment_sets() -> tuple[str, str]:
    """Returns the sets of an environment.

    The lock also has sets for other runtimes, the bench and the rehearsal.
    """
    return runtimes().default.jars, "kafka"


def ensure_jars(
    cache: Path, java: Path | str, names: Iterable[str] | None = None, fetcher: Fetch = fetch
) -> dict[str, tuple[Path, ...]]:
    """Returns the jars of each set, downloaded and verified now or by an earlier call.

    A folder gets its final name only after every jar was verified, so a folder of that name needs no second check.
    Several processes may call this at once.

    Args:
        cache: the folder of all downloads.
        java: the program to run Ivy with; unused if all jars exist.
        names: the sets of the lock; None for those of an environment.
        fetcher: the download function; ``artifacts.ivy.fetch``.

    Raises:
        EnvironmentNotReadyError: no network, a checksum that differs, a cache that cannot be written, a full disk.
    """
    sets = [locked()[name] for name in (environment_sets() if names is None else names)]
    root = cache / "jars"
    if not all(_complete(root, jar_set) for jar_set in sets):
        with _explained(root):
            root.mkdir(parents=True, exist_ok=True)
            with _locked_folder(root):
                missing = [jar_set for jar_set in sets if not _complete(root, jar_set)]
                _download(root, missing, java, fetcher)
    return {jar_set.name: tuple(_folder(root, jar_set) / jar.file for jar in jar_set.jars) for jar_set in sets}


def _folder(root: Path, jar_set: JarSet) -> Path:
    return root / f"{jar_set.name}-{jar_set.digest}"


def _complete(root: Path, jar_set: JarSet) -> bool:
    return all((_folder(root, jar_set) / jar.file).is_file() for jar in jar_set.jars)


def _download(root: Path, sets: list[JarSet], java: Path | str, fetcher: Fetch) -> None:
    for jar_set in sets:
        _log.info("downloading jars, once", set=jar_set.name, jars=len(jar_set.jars))
    # Most of the time is spent waiting for the network, so the sets are fetched in parallel.
    with progress() as display, ThreadPoolExecutor(max_workers=max(len(sets), 1)) as pool:
        for future in [pool.submit(_install, root, jar_set, java, fetcher, display) for jar_set in sets]:
            future.result()


def _install(root: Path, jar_set: JarSet, java: Path | str, fetcher: Fetch, display: ProgressDisplay) -> None:
    done = count()

    def on_jar() -> None:
        display.show(f"jars for {jar_set.name}", next(done), len(jar_set.jars), unit="jars")

    on_jar()
    work = Path(tempfile.mkdtemp(prefix=f".{jar_set.name}-", dir=root))
    try:
        packages = [jar.coordinates for jar in jar_set.jars]
        fetcher(
            packages,
            java=java,
            into=work,
            pattern="jars/[artifact]-[revision](-[classifier]).[ext]",
            transitive=False,
            on_jar=on_jar,
        )
        for jar in jar_set.jars:
            _verify(work / "jars" / jar.file, jar.sha256)
        (work / "jars").chmod(0o755)
        shutil.rmtree(_folder(root, jar_set), ignore_errors=True)  # an incomplete one, which rename would reject
        (work / "jars").rename(_folder(root, jar_set))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _verify(file: Path, expected: str) -> None:
    if not file.is_file():
        raise EnvironmentNotReadyError(f"{file.name} was not downloaded", hint="try again")
    digest = sha256_of(file)
    if digest != expected:
        raise EnvironmentNotReadyError(
            f"{file.name} has sha256 {digest}, but jars.lock says {expected}; nothing was installed",
            hint="try again; if the error persists, a mirror or proxy serves a changed file: ask its administrator",
        )


@contextmanager
def _locked_folder(root: Path) -> Iterator[None]:
    with (root / ".lock").open("w") as lock:
        wait_for(
            "another process that downloads the jars",
            lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB),
            deadline_s=900,
            hint=f"stop that process, or remove {root}",
            retry_on=(BlockingIOError,),
        )
        yield


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message, hint = (
                f"no space left for the jars in {root}",
                "free 250 MB, or set TANDEM_CACHE_DIR to another disk",
            )
        else:
            reason = error.strerror or str(error)
            message, hint = f"the cache {root} cannot be written: {reason}", "set TANDEM_CACHE_DIR to a writable folder"
    else:
        return
    raise EnvironmentNotReadyError(message, hint=hint)
