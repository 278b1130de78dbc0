"""Runs the command line, which a signal ends without a stack trace."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Runs the command line and exits.

    Exit codes: 0, 1 (failed), 2 (usage), 3 (environment not ready), 130 (interrupted).
    """
    interrupt_by_signals()
    try:
        # Imported here, because its packages take a fifth of a second, in which the command may be interrupted.
        from tandem.cli.execution import execute

        execute(sys.argv[1:] or ["--help"])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


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
