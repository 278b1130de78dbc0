"""``doctor``: what is there, what is missing, and what mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.session import Session
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.doctor import examine

_COLOURS = {"good": "green", "bad": "bold red", "skipped": "dim"}


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(doctor)


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check all that the environment needs. Exits 3 when something is bad."""
    session: Session = context.obj
    settings = session.settings
    findings = list(examine(settings, running=_running(session)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            table.add_row(Text(finding.state, style=_COLOURS[finding.state]), finding.check, Text(finding.value))
            if finding.fix:
                table.add_row("", "", Text(f"fix: {finding.fix}"))
        session.out.print(table)
    bad = [finding.check for finding in findings if finding.state == "bad"]
    if bad:
        raise EnvironmentNotReadyError(f"not in order: {', '.join(bad)}", hint="each line that says bad has its fix")


def _running(session: Session) -> bool:
    try:
        return bool(session.job.status()["job"]["state"] != "stopped")
    except TandemError:  # of an engine that does not answer one check tells
        return False
