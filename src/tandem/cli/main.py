"""Runs the command line; the only place that maps errors to exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import NoReturn

import typer

from tandem import log
from tandem.cli import (
    bench,
    cloud,
    dev,
    doctor,
    init,
    inspect,
    lifecycle,
    new,
    profile,
    records,
    replay,
    schemas,
    shell,
)
from tandem.cli.context import CommandContext
from tandem.cli.options import examples, with_context
from tandem.errors import TandemError, UsageError
from tandem.foreign.inheritance import adapt_this_process

INTERRUPTED = 130

app = typer.Typer(
    name="tandem",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples("tandem run", "tandem up --wait", "tandem status --watch", "tandem COMMAND --help"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
# The help shows the commands in this order.
for module in (lifecycle, records, replay, inspect, profile, doctor, bench, init, new, dev, schemas, shell, cloud):
    app.add_typer(module.app)


@app.callback()
@with_context
def _root(_: CommandContext) -> None:
    """Run Kafka, Spark and MongoDB pipelines on a laptop and in the cloud."""


def main() -> NoReturn:
    """Runs the command line and exits.

    Exit codes: 0, 1 (failed), 2 (usage), 3 (environment not ready), 130 (interrupted).
    """
    signal.signal(signal.SIGTERM, _interrupt)
    log.to_console()
    adapt_this_process()
    # Read here, because an error may occur before the context exists.
    debug = "--debug" in sys.argv
    try:
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except typer.TyperException as error:
        _fail(UsageError(error.format_message(), hint="`tandem --help` lists the commands and options"), debug=debug)
    except TandemError as error:
        _fail(error, debug=debug)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _fail(error: TandemError, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
    sys.exit(error.exit_code)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
