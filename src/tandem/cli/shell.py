"""``shell``: Python with a pipeline's topics, transform and collections at hand."""

from __future__ import annotations

import code
import sys
import traceback
from types import TracebackType
from typing import Any

import typer

from tandem.cli.session import Session
from tandem.errors import TandemError
from tandem.notebook.open import session_of

_BANNER = """\
session            {session!r}
session.events(S)  a stream's events, as the transform gets them; .records(S) and .refused(S) likewise
session.transform(), session.output(C), session.stored(C)
spark              the Spark session
"""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(shell)


def shell(context: typer.Context) -> None:
    """Open Python (IPython where it is installed) with the pipeline's topics, transform and collections at hand."""
    session: Session = context.obj
    with session_of(session.settings) as opened:
        known = {"session": opened, "spark": opened.spark}
        banner = _BANNER.format(session=opened)
        try:
            from IPython import start_ipython
        except ImportError:
            sys.excepthook = _told
            code.interact(banner, local=known, exitmsg="")
        else:
            print(banner, file=sys.stderr)
            start_ipython(argv=["--no-banner"], user_ns=known)


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    """Prints an error as the command line does, or as Python does where it is not ours."""
    if isinstance(error, TandemError):
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
    else:
        traceback.print_exception(kind, error, trace)
