"""The command line: registers the commands and maps errors to exit codes, which nothing else does."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer

from tandem import log
from tandem.cli import bench, cloud, dev, doctor, inspect, lifecycle, new, pipeline, shell
from tandem.cli.session import Session
from tandem.errors import TandemError, UsageError
from tandem.foreign.variables import adapt_this_process

INTERRUPTED = 130
# What every command takes, behind its name too.
_COMMON = ("--profile", "--pipeline")
# Typer brings its own copy of click and shows only the ends of its tree of errors; this is what they have in common.
_WrongCommandLine: type[Any] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="tandem",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (lifecycle, pipeline, cloud, inspect, doctor, bench, new, dev, shell):
    group.register(app)


@app.callback()
def _options(
    context: typer.Context,
    profile: Annotated[
        str | None,
        typer.Option(help="The environment; default: TANDEM_PROFILE, else what runs, else local where Docker answers."),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(help="Of which pipeline, or pipelines: a,b; default: TANDEM_PIPELINE, else profiles.toml's."),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the stack trace of an error.")] = False,
) -> None:
    """Kafka, Spark and MongoDB streaming pipelines, the same on a laptop and in the cloud."""
    context.obj = Session(profile=profile, pipeline=pipeline, debug=debug)


def main() -> NoReturn:
    """Runs the command line and exits with 0, 1 (failed), 2 (usage), 3 (environment not ready) or 130 (interrupted)."""
    signal.signal(signal.SIGTERM, _interrupt)
    log.to_console()
    adapt_this_process()
    # Typer keeps the callback's object to itself, and an error may come before it exists.
    debug = "--debug" in sys.argv
    try:
        code = app(args=_common_options_first(sys.argv[1:]) or ["--help"], standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except _WrongCommandLine as error:
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


def _common_options_first(arguments: list[str]) -> list[str]:
    """Returns the arguments with the options that every command takes moved to the front."""
    common: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _COMMON:
            common += [argument, *([value] if (value := next(rest, None)) is not None else [])]
        elif argument == "--debug" or argument.startswith(tuple(f"{name}=" for name in _COMMON)):
            common.append(argument)
        else:
            others.append(argument)
    return common + others


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
