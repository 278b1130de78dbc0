"""Runs a command, and maps its errors to exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from tandem.documentation import located
from tandem.errors import TandemError, UsageError
from tandem.foreign.inheritance import adapt_this_process


def execute(arguments: Sequence[str]) -> NoReturn:
    """Runs a command and exits.

    Args:
        arguments: the command line.

    Raises:
        KeyboardInterrupt: a signal or an answer to a question ended the command.
    """
    try:
        _run(arguments)
    except TandemError as error:
        # Read here, because an error may occur before the context exists.
        if "--debug" in arguments:
            traceback.print_exception(error)
        print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def print_error(error: TandemError) -> None:
    """Prints an error with its hint, and what was added to it."""
    notes: list[str] = getattr(error, "__notes__", [])
    print(located("\n".join((f"error: {error}", f"hint: {error.hint}", *notes))), file=sys.stderr)


def _run(arguments: Sequence[str]) -> NoReturn:
    # Before the commands are imported, so that they import our packages, and no warning of a library ends them.
    adapt_this_process()
    import typer

    from tandem import log
    from tandem.cli.commands import command_line, modules_for

    log.to_console()
    app = command_line(modules_for(arguments))
    try:
        code = app(args=[*arguments], standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        message = error.format_message().replace(": Value error, ", ": ", 1)
        raise UsageError(message, hint="`tandem --help` lists the commands and options") from error
    sys.exit(code if isinstance(code, int) else 0)
