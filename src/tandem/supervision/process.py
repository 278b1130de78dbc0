"""Starts, identifies and ends process groups.

A recycled process id never gets a signal.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import psutil

from tandem.errors import EnvironmentNotReadyError
from tandem.waiting import NotYetError, wait_for

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_KILL_DEADLINE_S = 20.0


@dataclass(frozen=True)
class Identity:
    """One process that leads its group.

    Attributes:
        pid: its id, and its group's.
        started: its start time, comparable as text after a common ``boot/``.
    """

    pid: int
    started: str


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Starts a program in its own session; appends its output to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True
        )


def identify(pid: int) -> Identity:
    """Returns the identity of a process.

    The identity of an ended process matches no other process.
    """
    return _running(pid) or Identity(pid, "gone")


def write_identity(path: Path, identity: Identity) -> None:
    """Writes an identity to a file."""
    write_json(path, asdict(identity))


def read_identity(path: Path) -> Identity | None:
    """Returns the identity in a file; None if there is none."""
    try:
        return Identity(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_identity(path: Path, identity: Identity) -> None:
    """Removes an identity's file, unless another process has written it."""
    if read_identity(path) == identity:
        path.unlink(missing_ok=True)


def alive(identity: Identity) -> bool:
    """Returns whether exactly this process still runs."""
    return _running(identity.pid) == identity


def send(identity: Identity, number: signal.Signals) -> bool:
    """Sends a signal to exactly this process; returns whether it still ran.

    On Linux, a handle keeps the process id reserved between the check and the signal. No other process can get it.
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

    GONE = "its leader had ended before; the rest was killed"
    KILLED = "it did not end when asked to"
    LEADER = "the leader ended when asked to; the rest was killed"
    WHOLE = "all of it ended when the leader was asked to"


def end(identity: Identity, deadline_s: float, linger_s: float = 0.0) -> Ending:
    """Ends a process and then all of its group.

    Args:
        identity: the group's leader; it may be gone already while its children run.
        deadline_s: the seconds between SIGTERM, which only the leader gets, and killing the group.
        linger_s: the seconds in which the rest of the group may end by itself after the leader.
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
        # Each process is killed separately, because another group may have the id now. The probe repeats this for
        # processes that were started meanwhile.
        if members := _group(identity):
            for member in members:
                send(member, signal.SIGKILL)
            raise NotYetError("it still runs")

    _wait(identity, "to die", probe, _KILL_DEADLINE_S)


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file atomically."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=2), "utf-8")
    draft.replace(path)


def _await_end(identity: Identity, what: str, *, leader_only: bool, deadline_s: float) -> None:
    def probe() -> None:
        if alive(identity) if leader_only else _group(identity):
            raise NotYetError("it still runs")

    _wait(identity, what, probe, deadline_s)


def _wait(identity: Identity, what: str, probe: Callable[[], None], deadline_s: float) -> None:
    pid = identity.pid
    wait_for(f"process {pid} {what}", probe, deadline_s=deadline_s, hint=f"kill -9 -- -{pid}", interval_s=0.05)


def _open(pid: int) -> int | None:
    """Returns a handle on the process with this id; None if the system has no handles."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a sandbox
            return None
        raise


def _group(identity: Identity) -> list[Identity]:
    """Returns the processes of a leader's group.

    None if another process has its id now.
    """
    leader = _running(identity.pid)
    if leader and leader != identity:
        return []
    boot = identity.started.rpartition("/")[0]
    members = (_running(pid) for pid in psutil.pids() if _group_id(pid) == identity.pid)
    return [
        member
        for member in members
        if member and member.started.rpartition("/")[0] == boot and member.started >= identity.started
    ]


def _group_id(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:  # it has ended, or is another user's
        return None


def _running(pid: int) -> Identity | None:
    """Returns the identity of a process; None if it has ended or is a zombie."""
    try:
        boot, process = psutil.boot_time(), psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        created = process.create_time()
    except psutil.Error:
        return None
    if not psutil.LINUX:
        return Identity(pid, f"{created:020.2f}")
    if psutil.boot_time() != boot:
        return _running(pid)
    # A changed clock moves both times and keeps their difference, so every process computes the same value.
    return Identity(pid, f"{_BOOT_ID.read_text().strip()}/{round((created - boot) * 100):020d}")
