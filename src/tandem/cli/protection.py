"""Asks for a protected profile's name before a dangerous command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tandem.cli.context import CommandContext
from tandem.cli.question import answer
from tandem.settings.protection import OPTION, check_confirmed, check_name, check_unshared

Confirm = Annotated[
    str | None,
    typer.Option(OPTION, metavar="PROFILE", help="Name of the protected profile, instead of typing it when asked."),
]


def confirm(context: CommandContext, what: str, name: str | None) -> str | None:
    """Returns the profile's name as the user confirmed it.

    None if no confirmation is needed.

    Args:
        context: the command whose profile may be protected.
        what: what would be done, as a verb and its object.
        name: the option's value.

    Raises:
        UsageError: the profile is protected, and its name was not given or is another one.
    """
    settings = context.settings
    if settings.protected and name is None and sys.stdin and sys.stdin.isatty():
        question = f"the profile {settings.profile} is protected, and this would {what}; type its name to continue"
        name = answer(f"{question}: ")
    check_confirmed(settings, what, name)
    return name


def check_apart(context: CommandContext, what: str) -> None:
    """Raises if a named pipeline shares data with a protected profile.

    See ``check_unshared``.
    """
    for job in context.jobs:
        check_unshared(job.settings, what)


def confirm_version(context: CommandContext, name: str | None) -> None:
    """Asks before an unchecked version replaces a protected profile's job.

    Raises:
        UsageError: the name is missing or wrong, or the job would write to another, protected profile's collections.
        TandemError: the new version cannot resume.
    """
    check_name(context.settings, name)
    check_apart(context, "start a job there")
    if not context.settings.protected:
        return
    if doubts := [f"{job.settings.pipeline}: {doubt}" for job in context.jobs if (doubt := job.doubt())]:
        confirm(context, f"replace a job unchecked ({'; '.join(doubts)})", name)
