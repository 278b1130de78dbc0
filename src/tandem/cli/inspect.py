"""Commands that only read: ``status``, ``logs``, ``config``."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tandem.cli.context import CommandContext
from tandem.cli.moment import moment
from tandem.cli.options import INSPECT, examples, with_context
from tandem.errors import TandemError
from tandem.progress_display import work_shown
from tandem.settings.editor_schema import schema_text
from tandem.settings.loaded import flat
from tandem.settings.profiles import packaged_names

_WATCH_S = 2.0
_RATE_S = 10.0
_COLOURS = {"error": "red", "warning": "yellow", "debug": "dim"}

app = typer.Typer()
_config = typer.Typer()
app.add_typer(_config, name="config", rich_help_panel=INSPECT)


@_config.callback()
@with_context
def _config_group(_: CommandContext) -> None:
    """Show the settings and their schema."""


@app.command(rich_help_panel=INSPECT, epilog=examples("tandem status", "tandem status --watch", "tandem status --json"))
@with_context
def status(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
) -> None:
    """Show the services and the job's progress."""
    if watch:
        _watch(context, as_json=as_json)
        return
    with work_shown("asking the services"):
        shown = collected(context)
    if as_json:
        print(json.dumps(shown))
    else:
        context.out.print(status_table(shown, context.told))


def collected(context: CommandContext) -> dict[str, Any]:
    """Returns the first named pipeline's status and a list of all pipelines."""
    own = context.job.status()
    try:
        running = context.environment.pipelines()
    except TandemError as error:  # the other pipelines are unknown then
        running, own["problem"] = [], own["problem"] or str(error)
    others = [name for name in running if name not in context.pipelines]
    found_others = [_status_of(context, name) for name in (*context.pipelines[1:], *others)]
    return {**own, "pipelines": [_of_pipeline(each) for each in (own, *found_others)]}


def _status_of(context: CommandContext, pipeline: str) -> dict[str, Any]:
    try:
        return context.job_of(pipeline).status()
    except TandemError as error:  # it runs, but its files or settings are invalid now
        none = {"pipeline": pipeline, "ready": False, "mongo": {"database": None}, "job": {}}
        dashboard = {"url": None, "problem": None}
        return {**none, "dashboard": dashboard, "problem": str(error), "warnings": []}


def _of_pipeline(status: dict[str, Any]) -> dict[str, Any]:
    own = {name: status[name] for name in ("pipeline", "ready", "job", "dashboard", "problem", "warnings")}
    return {**own, "database": status["mongo"]["database"]}


def _watch(context: CommandContext, *, as_json: bool) -> None:
    """Prints the status repeatedly, as JSON lines or as a table in place."""
    if as_json:
        while True:
            print(json.dumps(collected(context)), flush=True)
            time.sleep(_WATCH_S)  # not a wait for readiness: the refresh interval
    seen: deque[tuple[float, int]] = deque()
    with Live(console=context.out, auto_refresh=False, transient=False) as live:
        while True:
            shown = collected(context)
            total, now = shown["job"]["input_rows_total"], time.monotonic()
            if total is not None:
                seen.append((now, total))
            # A batch may take longer than one refresh.
            while len(seen) > 2 and now - seen[1][0] >= _RATE_S:
                seen.popleft()
            rate = max(0.0, (seen[-1][1] - seen[0][1]) / (now - seen[0][0])) if len(seen) > 1 else None
            shown["records a second"] = "-" if rate is None else f"{rate:.0f}"
            live.update(status_table(shown, context.told), refresh=True)
            time.sleep(_WATCH_S)


def status_table(shown: dict[str, Any], told: Callable[[str, str | None], str]) -> Table:
    """Returns the status as a table that fits any terminal width.

    Args:
        shown: the status.
        told: changes a message, see ``CommandContext.told``.
    """
    table = Table(show_header=False, box=None)
    # Long addresses are folded, because a redrawn table must not be wider than the terminal.
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    _, *others = shown["pipelines"]
    own = {name: value for name, value in shown.items() if name != "pipelines"}
    # Beside others, a command in a message must name the pipeline that the message is about.
    parts = [("", shown["pipeline"] if others else None, own)]
    for other in others:
        rest = {name: value for name, value in other.items() if name != "pipeline"}
        parts.append((f"pipelines.{other['pipeline']}.", other["pipeline"], rest))
    for before, pipeline, values in parts:
        for name, value in _flat(values, before):
            table.add_row(name, "-" if value is None else told(str(value), pipeline))
    return table


def _flat(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", "\n".join(value) or None
        else:
            yield f"{before}{name}", value


@app.command(
    rich_help_panel=INSPECT, epilog=examples("tandem logs", "tandem logs job --follow", "tandem logs --since 10m")
)
@with_context
def logs(
    context: CommandContext,
    services: Annotated[list[str] | None, typer.Argument(help="Services to show (default: all).")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until interrupted.")] = False,
    since: Annotated[str | None, typer.Option(help="Skip older lines: 90s, 10m, 2h or an ISO 8601 time.")] = None,
) -> None:
    """Print the services' logs in order of time."""
    oldest = None if since is None else moment(since, "--since")
    for line in context.environment.logs(services or (), follow=follow, since=oldest):
        if context.out.is_terminal:
            context.out.print(Text(str(line), style=_COLOURS.get(line.level or "", "")), soft_wrap=True)
        else:
            print(line, flush=follow)


@_config.command("schema")
@with_context
def config_schema(_: CommandContext) -> None:
    """Print the JSON Schema of tandem.toml, for editors."""
    print(schema_text(packaged_names()), end="")


@_config.command("show")
@with_context
def config_show(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print each setting with its value and its origin.

    The origin is a flag, a variable, a file or the default. Secrets are shown as references.
    """
    places = {**context.loaded.origins, "profile": context.chosen[1]}
    effective = flat(context.shown_settings)
    values = {name: {"value": value, "origin": places.get(name, "default")} for name, value in effective}
    if as_json:
        print(json.dumps(values, default=str, indent=2))
        return
    table = Table(box=None)
    for title in ("setting", "value", "from"):
        table.add_column(title, overflow="fold")
    for name, each in values.items():
        table.add_row(name, Text("-" if each["value"] is None else str(each["value"])), Text(str(each["origin"])))
    context.out.print(table)
