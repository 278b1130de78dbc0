"""The command ``shell``, which opens Python with a pipeline as DataFrames."""

from __future__ import annotations

import code
import sys
import traceback
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, examples, with_context
from tandem.errors import TandemError
from tandem.notebook.open import session_of
from tandem.progress_display import work_shown

app = typer.Typer()

_BANNER = """\
session            {session!r}
session.events(S)  a stream's events, as the transform receives them; also .records(S) and .rejected(S)
session.transform(), session.output(C), session.stored(C)
spark              the Spark session
"""


@app.command(rich_help_panel=AUTHOR, epilog=examples("tandem shell", "tandem --pipeline segment_revenue shell"))
@with_context
def shell(context: CommandContext) -> None:
    """Open Python with the pipeline's data as DataFrames.

    Topics, the transform's result and collections are available. The shell is IPython if it is installed.
    """
    settings = context.settings
    with ExitStack() as stack:
        with work_shown("starting Spark"):
            opened = stack.enter_context(session_of(settings))
        known = {"session": opened, "spark": opened.spark}
        banner = _BANNER.format(session=opened)
        try:
            from IPython import start_ipython
        except ImportError:
            sys.excepthook = _print_error
            code.interact(banner, local=known, exitmsg="")
        else:
            print(banner, file=sys.stderr)
            start_ipython(argv=["--no-banner"], user_ns=known)


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    """Prints a TandemError like the command line, any other error like Python."""
    if isinstance(error, TandemError):
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)
