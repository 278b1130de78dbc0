"""Checks before the start that every needed port is free.

Names the process that holds a busy one.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Mapping
from contextlib import suppress

import psutil

from tandem.errors import EnvironmentNotReadyError, UsageError

_HOST = "127.0.0.1"
# The variables of pages. A busy one stops nothing: Spark's pages use the next free port, and the dashboard waits.
_PAGES = "TANDEM_UI__"
# The number of ports in which a Spark page looks for a free one.
_NEXT = 100
_LAST = 65_535


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
    """Returns why a port of this machine cannot be used, with its holder.

    None if it can.
    """
    error = refusal(port)
    if error is None:
        return None
    busy = error.errno == errno.EADDRINUSE
    return f"port {port} {f'is busy: {holder(port)}' if busy else f'cannot be used: {error.strerror}'}"


def dashboard_trouble(port: int) -> str | None:
    """Returns why the dashboard cannot use a port, and the setting that changes it.

    None if it can.
    """
    reason = trouble(port)
    return reason and f"{reason}; stop it, or set TANDEM_UI__DASHBOARD_PORT to a free port"


def page_port(wanted: int, taken: Collection[int]) -> int:
    """Returns the port for one of Spark's pages: the wanted one, or the next free one.

    Args:
        wanted: the port of the settings.
        taken: ports that are reserved, though nothing listens there yet.
    """
    # At the end of all ports, those before the wanted one follow.
    first = min(wanted, _LAST - _NEXT + 1)
    ports = (first + (wanted - first + step) % _NEXT for step in range(_NEXT))
    return next((port for port in ports if port not in taken and not refusal(port)), wanted)


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
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            connections = process.net_connections("tcp")
            if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections):
                # Only the program's name: a command line may contain secrets.
                return f"held by process {process.pid} ({process.name()})"
    return "held by a process that is not visible from here"
