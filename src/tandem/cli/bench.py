"""The command ``bench``, which measures the embedded profile."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import INSPECT, with_context
from tandem.errors import EnvironmentNotReadyError, UsageError, install_hint

app = typer.Typer()

# Listed here because the bench is imported only when the command runs.
PART_NAMES = ["throughput", "latency", "cold_start", "idle", "recovery", "inner_loop", "dashboard", "growth", "soak"]
_NEEDED = ("confluent_kafka", "orjson", "playwright", "pyspark", "tandem_bench")


@app.command(rich_help_panel=INSPECT)
@with_context
def bench(
    context: CommandContext,
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Parts to run: {', '.join(PART_NAMES)} (default: all; with --quick the first three).",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Measure roughly in under five minutes: few records, one round.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of each part (default: 3; with --quick 1).")] = None,
    records: Annotated[
        int | None, typer.Option(min=1000, help="Records in a drained backlog (default: 2000000; with --quick 50000).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for bench.json and a chart of each part (default: in the state folder)."),
    ] = None,
    first_port: Annotated[int, typer.Option(min=1024, max=65531, help="First of the five ports to use.")] = 29900,
) -> None:
    """Measure the embedded profile beside its limits and peers, each in an environment of its own.

    Stop other programs first. Exit with 1 if a measured program lost or duplicated records.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentNotReadyError(
            f"{missing[0]} is not installed",
            hint=f"run `scripts/bench` in a checkout, which installs the packages; or {install_hint('bench')}",
        )
    from tandem_bench.render import table, write
    from tandem_bench.run import PROFILE, able, chosen, run, settings_of
    from tandem_bench.run_config import RunConfig

    if context.profile not in (None, PROFILE):
        raise UsageError(f"the bench measures the profile {PROFILE} only", hint="remove --profile")
    names = able(chosen(parts or [], quick=quick), named=bool(parts), say=context.say)
    settings = settings_of(first_port)
    context.say(f"tandem: profile {settings.profile}, backend {settings.backend} (measured by the bench)")
    measured = RunConfig(
        settings=settings,
        quick=quick,
        rounds=rounds or (1 if quick else 3),
        records=records or (50_000 if quick else 2_000_000),
        say=context.say,
    )
    result = run(measured, names, lambda part: context.out.print(table(part)))
    for file in write(result, out or settings.state_dir / "results"):
        context.say(f"wrote {file}")
