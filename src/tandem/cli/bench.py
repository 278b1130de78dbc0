"""``bench``: measure."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.session import Session
from tandem.errors import EnvironmentNotReadyError, UsageError, install_hint

# Said here, where nothing of the bench is imported before it is asked for.
PART_NAMES = ["throughput", "latency", "cold_start", "idle", "recovery", "inner_loop", "dashboard", "growth", "soak"]
_NEEDED = ("confluent_kafka", "orjson", "playwright", "pyspark")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)


def bench(
    context: typer.Context,
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(PART_NAMES)}; default: all, with --quick the first three.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rough figures in less than five minutes: few records, one round.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often each is measured; 3, with --quick 1.")] = None,
    records: Annotated[
        int | None, typer.Option(min=1000, help="How many records wait in a drain; 2000000, with --quick 50000.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for bench.json and a picture of each part; default: in the state folder."),
    ] = None,
    first_port: Annotated[int, typer.Option(min=1024, max=65531, help="The first of five ports.")] = 29900,
) -> None:
    """Measure the embedded profile beside its limits and peers, in environments of its own.

    Let nothing else run meanwhile. Exits 1 when what was measured has lost or doubled anything.
    """
    session: Session = context.obj
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EnvironmentNotReadyError(
            f"{missing[0]} is not installed",
            hint=f"`scripts/bench` installs what is needed; or {install_hint('bench')}",
        )
    from tandem_bench.bench import Bench
    from tandem_bench.files import write
    from tandem_bench.run import PROFILE, able, chosen, run, settings_of
    from tandem_bench.table import table

    if session.profile not in (None, PROFILE):
        raise UsageError(f"the bench measures the profile {PROFILE} only", hint="leave --profile out")
    names = able(chosen(parts or [], quick=quick), named=bool(parts), say=session.say)
    settings = settings_of(first_port)
    session.say(f"tandem: profile {settings.profile}, backend {settings.backend} (what the bench measures)")
    measured = Bench(
        settings=settings,
        quick=quick,
        rounds=rounds or (1 if quick else 3),
        records=records or (50_000 if quick else 2_000_000),
        say=session.say,
    )
    result = run(measured, names, lambda part: session.out.print(table(part)))
    for file in write(result, out or settings.state_dir / "results"):
        session.say(f"wrote {file}")
