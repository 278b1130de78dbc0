"""Commands that only read: ``status``, ``logs``, ``profile``, ``config``."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tandem.cli.options import INSPECT, with_session
from tandem.cli.session import Session
from tandem.errors import TandemError, UsageError
from tandem.settings.load import profiles
from tandem.settings.loaded import flat

_WATCH_S = 2.0
_RATE_S = 10.0
_COLOURS = {"error": "red", "warning": "yellow", "debug": "dim"}

app = typer.Typer()
_profile = typer.Typer()
_config = typer.Typer()
app.add_typer(_profile, name="profile", rich_help_panel=INSPECT)
app.add_typer(_config, name="config", rich_help_panel=INSPECT)


@_profile.callback()
@with_session
def _profile_group(_: Session) -> None:
    """List and show profiles."""


@_config.callback()
@with_session
def _config_group(_: Session) -> None:
    """Show the profile's settings."""


@app.command(rich_help_panel=INSPECT)
@with_session
def status(
    session: Session,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
) -> None:
    """Show the services, their addresses and the job's progress."""
    if watch:
        _watch(session, as_json=as_json)
        return
    found = collected(session)
    if as_json:
        print(json.dumps(found))
    else:
        session.out.print(status_table(found))


def collected(session: Session) -> dict[str, Any]:
    """Returns the first named pipeline's status and a list of all named or running pipelines."""
    found = session.job.status()
    try:
        running = session.environment.pipelines()
    except TandemError as error:  # what else runs is unknown then
        running, found["problem"] = [], found["problem"] or str(error)
    others = [name for name in running if name not in session.pipelines]
    found_others = [_status_of(session, name) for name in (*session.pipelines[1:], *others)]
    return {**found, "pipelines": [_of_pipeline(each) for each in (found, *found_others)]}


def _status_of(session: Session, pipeline: str) -> dict[str, Any]:
    try:
        return session.job_of(pipeline).status()
    except TandemError as error:  # it runs, but its files or settings are invalid now
        none = {"pipeline": pipeline, "ready": False, "mongo": {"database": None}, "job": {}}
        dashboard = {"url": None, "problem": None}
        return {**none, "dashboard": dashboard, "problem": str(error), "warnings": []}


def _of_pipeline(status: dict[str, Any]) -> dict[str, Any]:
    own = {name: status[name] for name in ("pipeline", "ready", "job", "dashboard", "problem", "warnings")}
    return {**own, "database": status["mongo"]["database"]}


def _watch(session: Session, *, as_json: bool) -> None:
    """Prints the status repeatedly, as lines of JSON or as a table that is redrawn in place."""
    if as_json:
        while True:
            print(json.dumps(collected(session)), flush=True)
            time.sleep(_WATCH_S)  # not a wait for readiness: the refresh interval
    seen: deque[tuple[float, int]] = deque()
    with Live(console=session.out, auto_refresh=False, transient=False) as live:
        while True:
            found = collected(session)
            total, now = found["job"]["input_rows_total"], time.monotonic()
            if total is not None:
                seen.append((now, total))
            # A batch may take longer than one refresh.
            while len(seen) > 2 and now - seen[1][0] >= _RATE_S:
                seen.popleft()
            rate = max(0.0, (seen[-1][1] - seen[0][1]) / (now - seen[0][0])) if len(seen) > 1 else None
            live.update(
                status_table({**found, "records a second": "-" if rate is None else f"{rate:.0f}"}), refresh=True
            )
            time.sleep(_WATCH_S)


def status_table(found: dict[str, Any]) -> Table:
    """Returns the status as a table that fits any terminal width."""
    table = Table(show_header=False, box=None)
    # Long addresses are folded, because a redrawn table must not be wider than the terminal.
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    _, *others = found["pipelines"]
    further = {other["pipeline"]: {name: other[name] for name in other if name != "pipeline"} for other in others}
    for name, value in _flat({**found, "pipelines": further}):
        table.add_row(name, "-" if value is None else str(value))
    return table


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", "\n".join(value) or None
        else:
            yield f"{before}{name}", value


@app.command(rich_help_panel=INSPECT)
@with_session
def logs(
    session: Session,
    services: Annotated[list[str] | None, typer.Argument(help="Services to show (default: all).")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until interrupted.")] = False,
    since: Annotated[str | None, typer.Option(help="Skip older lines: 90s, 10m, 2h or an ISO 8601 time.")] = None,
) -> None:
    """Print the services' logs in order of time."""
    for line in session.environment.logs(services or (), follow=follow, since=moment(since)):
        if session.out.is_terminal:
            session.out.print(Text(str(line), style=_COLOURS.get(line.level or "", "")), soft_wrap=True)
        else:
            print(line, flush=follow)


def moment(text: str | None) -> datetime | None:
    """Returns the time of ``--since``, in UTC if it names no zone; None for None.

    Raises:
        UsageError: the text is neither a duration nor a time.
    """
    if text is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        if text[-1:] in units:
            return datetime.now(UTC) - timedelta(seconds=float(text[:-1]) * units[text[-1]])
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--since {text!r} is not a duration or a time", hint="for example --since 10m") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@_profile.command("list")
@with_session
def profile_list(_: Session) -> None:
    """List the profiles with their descriptions."""
    for name, values in profiles().items():
        print(f"{name}\t{values.get('description', '')}")


@_profile.command("current")
@with_session
def profile_current(session: Session) -> None:
    """Print the profile that commands use."""
    print(session.chosen[0])


@_profile.command("show")
@with_session
def profile_show(session: Session) -> None:
    """Print the profile's settings as JSON. A missing required value is its name in angle brackets."""
    print(session.shown_settings.model_dump_json(indent=2, exclude={"location"}))


@_config.command("show")
@with_session
def config_show(
    session: Session,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print each setting with its value and origin: a flag, a variable, a file, or the default.

    Secrets are shown as references.
    """
    places = {**session.loaded.origins, "profile": session.chosen[1]}
    found = flat(session.shown_settings)
    values = {name: {"value": value, "origin": places.get(name, "default")} for name, value in found}
    if as_json:
        print(json.dumps(values, default=str, indent=2))
        return
    table = Table(box=None)
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold")
    for name, each in values.items():
        table.add_row(name, Text("-" if each["value"] is None else str(each["value"])), Text(str(each["origin"])))
    session.out.print(table)
