"""The command ``init``, which creates or upgrades a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem.checkout import RECORD
from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, examples, with_context
from tandem.container_files import copy_into
from tandem.errors import UsageError
from tandem.scaffold.project import check_place, create
from tandem.scaffold.restoring import restore
from tandem.scaffold.upgrade import apply, changes

app = typer.Typer()


@app.command(rich_help_panel=AUTHOR, epilog=examples("tandem init", "tandem init --upgrade"))
@with_context
def init(
    context: CommandContext,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Show how the files differ from those of this version; change nothing.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="With --upgrade: write files that you did not change.")
    ] = False,
    wanted: Annotated[
        list[str] | None,
        typer.Option("--restore", metavar="PATH", help="Write this file again, which you deleted; may be repeated."),
    ] = None,
) -> None:
    """Create a project in this folder, restore it, or upgrade it.

    It gets pipelines, settings, containers, a dev container and a workflow. Existing files stay.
    In a project, it writes what a clone lacks: the files that Git ignores. Other files stay deleted.
    """
    folder = Path.cwd()
    check_place(folder)
    if upgrade:
        if wanted:
            raise UsageError("--restore and --upgrade exclude each other", hint="call `tandem init` twice")
        _upgrade(context, folder, write=write)
        return
    if write:
        raise UsageError("--write needs --upgrade", hint="`tandem init` creates a project")
    if (folder / RECORD).exists() or wanted:
        _restore(context, folder, wanted or [])
        return
    for path in create(folder):
        print(path)
    copy_into(folder)
    context.say("create a pipeline with `tandem new NAME`, run it with `tandem --pipeline NAME run`")


def _restore(context: CommandContext, folder: Path, wanted: list[str]) -> None:
    done = restore(folder, wanted)
    for path in done.written:
        print(path)
    copy_into(folder)
    for path in done.deleted:
        context.say(f"stays deleted: {path}; `tandem init --restore {path}` writes it again")
    context.say("`tandem init --upgrade` compares this project with the installed version")


def _upgrade(context: CommandContext, folder: Path, *, write: bool) -> None:
    found = changes(folder)
    for change in found:
        print(change.diff, end="")
    changing = ", ".join(change.path for change in found if not change.kept)
    kept = ", ".join(change.path for change in found if change.kept)
    if kept:
        context.say(f"kept, because you changed it: {kept}")
    if write:
        apply(folder, found)
        copy_into(folder)
        context.say(f"changed: {changing}" if changing else "no file was changed")
    elif changing:
        context.say(f"would change: {changing}")
        context.say("write that with `tandem init --upgrade --write`")
    elif kept:
        context.say("take over what you want; after `tandem init --upgrade --write` this difference is not shown again")
    else:
        context.say("all files are up to date")
