"""The commands of ``profile``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tandem.cli.context import CommandContext
from tandem.cli.options import INSPECT, examples, with_context
from tandem.errors import UsageError
from tandem.settings.imported import apply, planned
from tandem.settings.model import FOUND
from tandem.settings.profiles import Profile, own_file, packaged_names, profiles

app = typer.Typer()
_group = typer.Typer()
app.add_typer(_group, name="profile", rich_help_panel=INSPECT)


@_group.callback()
@with_context
def _profile_group(_: CommandContext) -> None:
    """List, show and import profiles."""


@_group.command("list")
@with_context
def profile_list(
    _: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the profiles with their descriptions and files."""
    known = profiles().values()
    if as_json:
        print(json.dumps([_listed(each) for each in known]))
        return
    for each in known:
        protected = " (protected)" if each.values.get("protected") else ""
        print(f"{each.name}\t{each.values['description']}{protected}\t{each.origin}")


def _listed(profile: Profile) -> dict[str, Any]:
    values = profile.values
    own = {"name": profile.name, "like": profile.like, "origin": profile.origin}
    return {
        **own,
        **{name: values[name] for name in ("backend", "description")},
        "protected": bool(values.get("protected")),
    }


@_group.command("current")
@with_context
def profile_current(
    context: CommandContext,
    as_json: Annotated[bool, typer.Option("--json", help="Print the profile and the reason as JSON.")] = False,
) -> None:
    """Print the profile that commands use."""
    name, why = context.chosen
    print(json.dumps({"profile": name, "reason": why}) if as_json else name)


@_group.command("show")
@with_context
def profile_show(context: CommandContext) -> None:
    """Print the profile's settings as JSON.

    A missing required value is its name in angle brackets.
    """
    print(context.shown_settings.model_dump_json(indent=2, exclude=set(FOUND)))


@_group.command(
    "import",
    epilog=examples("tandem profile import profile.json", "tandem profile import - --name staging < profile.json"),
)
@with_context
def profile_import(
    context: CommandContext,
    file: Annotated[Path, typer.Argument(help="JSON output of OpenTofu or Terraform; - for standard input.")],
    name: Annotated[str | None, typer.Option(help="Name of the profile (default: the name in the output).")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace values that the profile already sets.")] = False,
) -> None:
    """Write a profile to tandem.toml from the output of infra/.

    Print each setting that changes. Secrets are references; this command reads no secret and writes none. The text of
    other profiles stays as it is.
    """
    target, packaged = own_file(), packaged_names()
    plan = planned(_text(file), target, packaged, name)
    for change in plan.changes:
        print(change)
    if not plan.changes:
        context.say(f"the profile {plan.name} of {target} has these values already")
        return
    if plan.overwrites and not replace:
        raise UsageError(
            f"{target} sets other values for the profile {plan.name}",
            hint="--replace writes the ones above; nothing was changed",
        )
    apply(plan, target, packaged)
    context.say(f"wrote the profile {plan.name} to {target}")
    for section in ("kafka", "mongo"):
        context.say(f"this machine reads {section}.password from {plan.table[section]['password']}")


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            # It is None if the shell has closed it.
            return sys.stdin.read() if sys.stdin else ""
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="`terraform output -json tandem_profile`") from None
