"""Runs the command line, and maps its errors to exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from tandem.documentation import located
from tandem.errors import TandemError, UsageError
from tandem.foreign.inheritance import adapt_this_process

INTERRUPTED = 130


def main() -> NoReturn:
    """Runs the command line and exits.

    Exit codes: 0, 1 (failed), 2 (usage), 3 (environment not ready), 130 (interrupted).
    """
    interrupt_by_signals()
    try:
        _run(sys.argv[1:] or ["--help"])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except TandemError as error:
        # Read here, because an error may occur before the context exists.
        if "--debug" in sys.argv:
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


def interrupt_by_signals() -> None:
    """Lets SIGTERM and SIGHUP end the command as Ctrl-C does.

    A closed terminal sends SIGHUP. Ctrl-C and SIGHUP may be ignored, as with ``nohup``.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    sys.unraisablehook = report_unraisable
    raise KeyboardInterrupt


def report_unraisable(error: sys.UnraisableHookArgs) -> None:
    """Reports an error that nothing can catch, as Python does by default.

    An object of gRPC that is only half created when the command is interrupted fails when it is deleted. This would
    print a stack trace.
    """
    # Since Python 3.14, only the stack trace says which function failed.
    frame = error.exc_traceback.tb_frame if error.exc_traceback else None
    deleted = frame is not None and frame.f_code.co_name == "__del__"
    of_grpc = frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "grpc"
    if not (isinstance(error.exc_value, AttributeError) and deleted and of_grpc):
        sys.__unraisablehook__(error)


if __name__ == "__main__":
    main()
