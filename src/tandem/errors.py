"""The errors that a user sees, and the exit codes of programs that they end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from tandem.checkout import checkout

# The name of the package on PyPI; `tandem` there is another project.
DISTRIBUTION = "tandem-streams"


def install_hint(extra: str) -> str:
    """Returns how to install an extra; in a checkout its locked packages."""
    if checkout():
        # The environment of this Python, which is not always .venv.
        return f"in the checkout: {sys.executable} -m pip install -r requirements/{extra}.txt"
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class TandemError(Exception):
    """An expected failure.

    Args:
        message: one sentence for the user, without secrets or payloads.
        hint: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this, no other process could raise it here.
        return partial(type(self), str(self), hint=self.hint), ()

    def _render_traceback_(self) -> list[str]:
        """Returns the lines that IPython and notebooks show instead of a stack trace."""
        return [f"error: {self}", f"hint: {self.hint}"]


class UsageError(TandemError):
    """The command line or a setting is wrong."""

    exit_code = 2


class EnvironmentNotReadyError(TandemError):
    """Something that the command needs is missing: a program, a port, a service."""

    exit_code = 3


def run_program(work: Callable[[], None]) -> int:
    """Returns the exit code of a program without the command line's options.

    It prints the error that ends the program, if it is a ``TandemError``.

    Args:
        work: what the program does.
    """
    try:
        work()
    except TandemError as error:
        sys.stderr.write(f"error: {error}\nhint: {error.hint}\n")
        return error.exit_code
    return 0
