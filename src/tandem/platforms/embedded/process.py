"""Processes in groups of their own, known by pid and start time, so that a recycled pid is never signalled."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.waiting import NotYetError, wait_for

MAX_LOG_BYTES = 16 * 1024 * 1024
_KILL_DEADLINE_S = 20.0


@dataclass(frozen=True)
class Identity:
    """One process that leads its group.

    Attributes:
        pid: its id, and its group's.
        started: when it started, as the system counts; comparable as text after a common ``boot/``.
    """

    pid: int
    started: str


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Returns a started program in its own session and process group; what it prints is appended to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
        )


def rotate(log: Path) -> None:
    """Keeps a copy of a log that has become large, over the copy before, and empties the log.

    The program that writes it goes on: it appends to the file that it has open. The copy gets its name last, so that
    a reader that follows the log sees by it that the log was emptied.
    """
    draft = log.with_suffix(".log.copy")
    with contextlib.suppress(OSError):  # no such log, or no copy of it
        if log.stat().st_size > MAX_LOG_BYTES:
            with contextlib.suppress(OSError):  # a full disk: without a copy
                shutil.copyfile(log, draft)
            os.truncate(log, 0)
            draft.replace(rotated(log))


def rotated(log: Path) -> Path:
    """Returns where the copy of a log is."""
    return log.with_suffix(".log.1")


def size_of(log: Path) -> int:
    """Returns how much a log has in it: what is written from now on comes after that."""
    return log.stat().st_size if log.exists() else 0


def identify(pid: int) -> Identity:
    """Returns the identity of a process; one that is gone already matches no process."""
    process = _table().get(pid)
    return Identity(pid, process.started if process else "gone")


def remember(path: Path, identity: Identity) -> None:
    """Writes an identity to a file."""
    write_json(path, asdict(identity))


def recall(path: Path) -> Identity | None:
    """Returns the identity in a file, or None when there is none."""
    try:
        return Identity(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget(path: Path, identity: Identity) -> None:
    """Removes the file of an identity, unless another process has its own there by now."""
    if recall(path) == identity:
        path.unlink(missing_ok=True)


def alive(identity: Identity) -> bool:
    """Returns whether this very process still runs."""
    process = _table().get(identity.pid)
    return process is not None and process.started == identity.started


def send(identity: Identity, number: signal.Signals) -> bool:
    """Sends a signal to this very process, and returns whether it still ran.

    Linux holds on to the process between the look at it and the signal, so that no other one with its id can get it.
    """
    with contextlib.ExitStack() as closing, contextlib.suppress(ProcessLookupError):
        handle = _open(identity.pid)
        if handle is not None:
            closing.callback(os.close, handle)
        if not alive(identity):
            return False
        if handle is None or sys.platform != "linux":
            os.kill(identity.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
        return True
    return False


class Ending(Enum):
    """How a process and its group ended."""

    GONE = "its leader was not there any more; the rest was killed"
    KILLED = "it did not end when asked to"
    LEADER = "the leader ended when asked to; the rest was killed"
    WHOLE = "all of it ended when the leader was asked to"


def end(identity: Identity, deadline_s: float, linger_s: float = 0.0) -> Ending:
    """Ends a process and then all of its group.

    Args:
        identity: the group's leader; it may be gone already while its children run.
        deadline_s: seconds between asking it (SIGTERM, the leader only) and killing the group.
        linger_s: seconds that the rest of the group has to end by itself when the leader did.
    """
    ending = Ending.GONE
    if alive(identity):
        ending = Ending.WHOLE
        send(identity, signal.SIGTERM)
        try:
            _await_end(identity, "to stop", leader_only=True, deadline_s=deadline_s)
            with contextlib.suppress(EnvironmentNotReadyError):
                _await_end(identity, "to end wholly", leader_only=False, deadline_s=linger_s)
        except EnvironmentNotReadyError:
            ending = Ending.KILLED
    if _group(identity):
        ending = Ending.LEADER if ending is Ending.WHOLE else ending
        kill(identity)
    return ending


def kill(identity: Identity) -> None:
    """Kills all of a group, and returns when it has ended.

    Args:
        identity: the group's leader; it may be gone already.
    """

    def probe() -> None:
        # One by one, and again for what they have started meanwhile: the group's id may be another one's by now.
        if members := _group(identity):
            for member in members:
                send(member, signal.SIGKILL)
            raise NotYetError("it still runs")

    wait_for(
        f"process {identity.pid} to die",
        probe,
        deadline_s=_KILL_DEADLINE_S,
        hint=f"kill -9 -- -{identity.pid}",
        interval_s=0.05,
    )


def write_json(path: Path, value: object) -> None:
    """Writes a file that a reader sees whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=2), "utf-8")
    draft.replace(path)


def _await_end(identity: Identity, what: str, *, leader_only: bool, deadline_s: float) -> None:
    def probe() -> None:
        if alive(identity) if leader_only else _group(identity):
            raise NotYetError("it still runs")

    wait_for(
        f"process {identity.pid} {what}",
        probe,
        deadline_s=deadline_s,
        hint=f"kill -9 -- -{identity.pid}",
        interval_s=0.05,
    )


def _open(pid: int) -> int | None:
    """Returns a handle on whatever process has this id; None where the system has none."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox
            return None
        raise


@dataclass(frozen=True)
class _Process:
    pid: int
    group: int
    started: str


def _group(identity: Identity) -> list[Identity]:
    table = _table()
    leader = table.get(identity.pid)
    if leader and leader.started != identity.started:
        return []
    boot = identity.started.rpartition("/")[0]
    return [
        Identity(process.pid, process.started)
        for process in table.values()
        if process.group == identity.pid
        and process.started.rpartition("/")[0] == boot
        and process.started >= identity.started
    ]


def _table() -> dict[int, _Process]:
    """Returns every process but the zombies."""
    if Path("/proc/self/stat").exists():
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        stats = (_read(path) for path in Path("/proc").glob("[0-9]*/stat"))
        rows = [(stat.split(" ", 1)[0], *stat.rpartition(")")[2].split()) for stat in stats if stat]
        # After the pid and the name: state, parent, group, ... and as the file's 22nd field the start in ticks.
        found = [
            _Process(int(row[0]), int(row[3]), f"{boot}/{int(row[20]):020d}") for row in rows if row[1] not in "ZX"
        ]
    else:
        command = ["ps", "-A", "-o", "pid=,pgid=,stat=,lstart="]
        done = subprocess.run(command, capture_output=True, text=True, env={**inherited(), "LC_ALL": "C"}, check=True)
        lines = [line.split(None, 3) for line in done.stdout.splitlines()]
        found = [
            _Process(int(pid), int(group), time.strftime("%Y-%m-%dT%H:%M:%S", time.strptime(started.strip())))
            for pid, group, state, started in lines
            if not state.startswith("Z")
        ]
    return {process.pid: process for process in found}


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended since the folder was listed
        return ""
