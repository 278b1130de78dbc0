"""Checks before the start that every needed port is free, and names who holds one that is not."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.foreign import inherited

_HOST = "127.0.0.1"
# The variables of pages. The pipeline runs without any of them: Spark's take the next free port, the dashboard waits.
_PAGES = "TANDEM_UI__"
# Among so many ports one of Spark's pages looks for a free one.
_NEXT = 100
_LISTEN = "0A"


def check_ports(ports: Mapping[str, int]) -> None:
    """Raises if a port other than a page's cannot be used.

    Args:
        ports: ports by the variable that sets them.

    Raises:
        UsageError: two settings name the same port.
        EnvironmentNotReadyError: a port is in use; the message names it and, if known, the process that holds it.
    """
    seen: dict[int, str] = {}
    for variable, port in ports.items():
        if port in seen:
            raise UsageError(f"port {port} is set twice", hint=f"change {seen[port]} or {variable}")
        seen[port] = variable
        reason = None if variable.startswith(_PAGES) else trouble(port)
        if reason:
            raise EnvironmentNotReadyError(reason, hint=f"stop it, or set {variable} to a free port")


def trouble(port: int) -> str | None:
    """Returns why a port of this machine cannot be used, with its holder; None if it can."""
    error = refusal(port)
    if error is None:
        return None
    busy = error.errno == errno.EADDRINUSE
    return f"port {port} {f'is busy: {holder(port)}' if busy else f'cannot be used: {error.strerror}'}"


def dashboard_trouble(port: int) -> str | None:
    """Returns why the dashboard cannot use a port, and the setting that changes it; None if it can."""
    reason = trouble(port)
    return reason and f"{reason}; stop it, or set TANDEM_UI__DASHBOARD_PORT to a free port"


def page_port(wanted: int, taken: Collection[int]) -> int:
    """Returns the port for one of Spark's pages: the wanted one, or the next free one.

    Args:
        wanted: the port of the settings.
        taken: ports that are reserved, though nothing listens there yet.
    """
    free = (port for port in range(wanted, wanted + _NEXT) if port not in taken and not refusal(port))
    return next(free, wanted)


def refusal(port: int) -> OSError | None:
    """Returns why a port of this machine cannot be used; None if it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            return error
    return None


def holder(port: int) -> str:
    """Returns the process that listens on a port, as far as this user may see it."""
    for pid in _holders(port):
        command = _command(pid)
        return f"held by process {pid}{f' ({command})' if command else ''}"
    return "held by a process that is not visible from here"


def _holders(port: int) -> Iterator[int]:
    if Path("/proc/net/tcp").exists():
        sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
        for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
            try:
                if str(link.readlink()) in sockets:
                    yield int(link.parts[2])
            except OSError:  # the process ended, or is another user's
                continue
    elif shutil.which("lsof"):
        command = ["lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"]
        yield from map(
            int, subprocess.run(command, env=inherited(), capture_output=True, text=True, check=False).stdout.split()
        )


def _inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _command(pid: int) -> str:
    command = ["ps", "-o", "command=", "-p", str(pid)]
    done = subprocess.run(command, env=inherited(), capture_output=True, text=True, check=False)
    # Only the program's name: a command line may contain secrets.
    return re.sub(r".*/", "", done.stdout.split()[0]) if done.stdout.split() else ""
