"""Prints the commands that Tandem runs, for ``--verbose``.

A supervisor logs the commands of its services: see ``tandem logs supervisor``.
"""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Sequence
from typing import Any


@functools.cache
def print_commands() -> None:
    """Prints the command of each program that this process starts from now on."""
    # Python reports every started program here, so no caller can forget to print its command.
    sys.addaudithook(_print)


def shell_command(arguments: str | bytes | Sequence[Any]) -> str:
    """Returns a program's arguments as one line that a shell accepts."""
    words = [arguments] if isinstance(arguments, str | bytes) else arguments
    return shlex.join(word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in words)


def _print(event: str, details: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        _, arguments, folder, _ = details
        line = shell_command(arguments)
        print(f"+ cd {shlex.quote(str(folder))} && {line}" if folder else f"+ {line}", file=sys.stderr, flush=True)
