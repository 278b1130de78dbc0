"""Free ports for a test, so that two checkouts may run it at the same time."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def free_ports(number: int = 1) -> Iterator[int]:
    """Yields the first of consecutive ports at which nobody listens but this test and its programs.

    On Linux, no other program is given them meanwhile: a socket that does not listen has them, and leaves them to
    whoever names them. Elsewhere two sockets cannot share a port.
    """
    with ExitStack() as held:
        first = None
        while first is None:
            first = _held(number, held)
        if sys.platform != "linux":
            held.close()
        yield first


def _held(number: int, held: ExitStack) -> int | None:
    """Returns the first of ports that are bound now; None if one of them is taken."""
    with ExitStack() as attempt:
        first = 0
        for each in range(number):
            bound = attempt.enter_context(socket.socket())
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                bound.bind(("127.0.0.1", first and first + each))
            except (OSError, OverflowError):
                return None
            first = first or bound.getsockname()[1]
        held.push(attempt.pop_all())
    return first
