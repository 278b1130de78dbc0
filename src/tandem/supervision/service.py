"""Describes a program that a supervisor runs.

Subclasses define its start, readiness and stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Service:
    """One program, with the methods that a runner calls from its start to its end.

    Args:
        name: the service's name.
        command: the command line.
        environment: all variables that the program gets.

    Attributes:
        needs: the services that must be ready before each start.
        starts_early: whether it starts before they are ready and waits for ``on_needs_ready``.
        optional: whether everything else works without it; then it is restarted after every failure.
        retry_on: a client's exceptions that mean "not ready yet" when ``probe`` raises them.
        start_deadline_s: how long it may take to be ready.
        stop_deadline_s: how long it may take to end after SIGTERM.
        final_codes: the exit codes after which it is not restarted.
    """

    needs: tuple[str, ...] = ()
    starts_early = False
    optional = False
    retry_on: tuple[type[Exception], ...] = ()
    start_deadline_s = 60.0
    stop_deadline_s = 20.0
    final_codes: frozenset[int] = frozenset()

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name, self.command, self.environment = name, command, environment

    def prepare(self) -> None:
        """Writes the program's files; called before every start."""

    def on_needs_ready(self) -> None:
        """Lets a program continue that starts early."""

    def probe(self, _pid: int, /) -> None:
        """Returns when the program is ready, given its process id.

        Raises:
            NotYetError: it is not ready yet.
        """

    def on_ready(self) -> None:
        """Completes the start; services that need this one start afterwards."""

    def linger_s(self) -> float:
        """Returns the seconds that children may run after a stop.

        Then they are killed.
        """
        return 0.0

    def on_stopped(self) -> None:
        """Completes a requested stop after which no child is left.

        It is called only if the program was ready.
        """

    def explain(self, _code: int, _output: str, /) -> str | None:
        """Returns why the program cannot run on this machine; None if unknown.

        With a reason, it is not restarted unless it was ready before.
        """
        return None
