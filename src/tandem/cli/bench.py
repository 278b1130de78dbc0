"""The command ``bench``, which measures the embedded profile."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import INSPECT, examples, with_context
from tandem.errors import EnvironmentNotReadyError, UsageError, install_hint

app = typer.Typer()

# Listed here because the bench is imported only when the command runs.
PART_NAMES = [
    *("throughput", "latency", "cold_start", "full_windows", "state_growth", "sustained", "recovery", "containers"),
    *("trickle", "idle", "inner_loop", "nested", "dashboard", "growth", "verification", "soak"),
]


class Backend(StrEnum):
    """Where services run: as processes, or in containers."""

    EMBEDDED = "embedded"
    COMPOSE = "compose"


_NEEDED = ("confluent_kafka", "orjson", "playwright", "pyspark", "tandem_bench")


@app.command(rich_help_panel=INSPECT, epilog=examples("tandem bench --quick", "tandem bench latency --rounds 5"))
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
    rows: Annotated[
        int | None,
        typer.Option(min=1000, help="Rows that fill the join's windows (default: 2000000; with --quick 50000)."),
    ] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(min=1, help="Records a second with full windows; repeat for several (default: by part)."),
    ] = None,
    warm: Annotated[
        float | None, typer.Option(min=0, help="Seconds of load before the measured time (default: by part).")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=5, help="Measured seconds of a load (default: by part).")] = None,
    backend: Annotated[
        list[Backend] | None,
        typer.Option(help="Where full windows, recovery and the trickle run; repeat for both (default: embedded)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for bench.json and a chart of each part (default: in the state folder)."),
    ] = None,
    first_port: Annotated[int, typer.Option(min=1024, max=65530, help="First of the six ports to use.")] = 29900,
) -> None:
    """Measure the embedded profile and its peers.

    Each measurement has its own environment. Full windows, sustained load, recovery and the trickle can also be
    measured in containers.

    Stop other programs first. Exit with 1 if a measured program lost or duplicated records.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentNotReadyError(
            f"{missing[0]} is not installed",
            hint=f"run `scripts/bench` in a checkout, which installs the packages; or {install_hint('bench')}",
        )
    from tandem.platforms.compose.engine import find_engine
    from tandem_bench.render import table, write
    from tandem_bench.run import PROFILE, able, chosen, run, settings_of
    from tandem_bench.run_config import RunConfig

    if context.profile not in (None, PROFILE):
        raise UsageError(
            f"the bench measures the profile {PROFILE} only", hint="remove --profile; --backend measures containers"
        )
    backends = list(dict.fromkeys(backend or [Backend.EMBEDDED]))
    if Backend.COMPOSE in backends:
        find_engine()
    names = able(chosen(parts or [], quick=quick), named=bool(parts), say=context.say)
    settings = settings_of(first_port)
    context.say(f"tandem: profile {settings.profile}, backend {settings.backend} (measured by the bench)")
    measured = RunConfig(
        settings=settings,
        quick=quick,
        rounds=rounds or (1 if quick else 3),
        records=records or (50_000 if quick else 2_000_000),
        say=context.say,
        rows=rows or (50_000 if quick else 2_000_000),
        rates=rate or [],
        warm_s=warm,
        seconds=seconds,
        containers=settings_of(first_port, Backend.COMPOSE),
        environments=[settings_of(first_port, each) for each in backends],
    )
    result = run(measured, names, lambda part: context.out.print(table(part)))
    for file in write(result, out or settings.state_dir / "results"):
        context.say(f"wrote {file}")
