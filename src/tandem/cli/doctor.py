"""The command ``doctor``, which checks the environment and suggests fixes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tandem.cli.context import CommandContext
from tandem.cli.options import INSPECT, examples, with_context
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.doctor import examine
from tandem.platforms.running import running
from tandem.progress_display import work_shown

app = typer.Typer()

_COLOURS = {"good": "green", "bad": "bold red", "skipped": "dim"}


@app.command(rich_help_panel=INSPECT, epilog=examples("tandem doctor", "tandem --profile gcp doctor"))
@with_context
def doctor(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Check the environment and suggest fixes.

    Exit with 3 if a check fails.
    """
    settings = context.settings
    with work_shown("checking the environment"):
        findings = list(examine(settings, running=is_running(context)))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        for finding in findings:
            table.add_row(
                Text(finding.state, style=_COLOURS[finding.state]), finding.check, Text(context.told(finding.value))
            )
            if finding.fix:
                table.add_row("", "", Text(context.told(f"fix: {finding.fix}")))
        context.out.print(table)
    bad = [finding.check for finding in findings if finding.state == "bad"]
    if bad:
        raise EnvironmentNotReadyError(f"failed checks: {', '.join(bad)}", hint="see the fix under each failed check")


def is_running(context: CommandContext) -> bool:
    """Returns whether the services run.

    They may run without this job, such as after an interrupted stop.
    """
    if context.settings.profile in running():
        return True
    try:
        return bool(context.job.status()["job"]["state"] != "stopped")
    except TandemError:  # one of the checks reports an engine that does not answer
        return False
