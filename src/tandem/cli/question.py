"""Asks the user a question on the terminal."""

from __future__ import annotations

import sys


def answer(question: str) -> str | None:
    """Returns the answer that the user types; None at the end of the input.

    A closed input has ended, too.

    An interruption ends the command, as everywhere else. So this does not use Typer's questions, which raise the same
    error for both.
    """
    typed = None
    try:
        print(question, end="", file=sys.stderr, flush=True)
        typed = input()
    except (EOFError, RuntimeError):  # Python raises the latter if standard input is closed
        return None
    finally:
        if typed is None or not sys.stdin.isatty():
            # The cursor is still on the line of the question.
            print(file=sys.stderr)
    return typed
