"""The commands ``schemas pull`` and ``schemas check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem.catalog import declared_by
from tandem.checkout import checkout
from tandem.cli.context import CommandContext
from tandem.cli.options import AUTHOR, examples, with_context
from tandem.engine.declare.stream import Stream
from tandem.errors import TandemError, UsageError
from tandem.progress_display import work_shown
from tandem.schema_registry import Registry, declared_formats, pull
from tandem.schema_registry import check as check_stream
from tandem.schema_registry.check import Level
from tandem.schema_registry.subjects import Registered

app = typer.Typer()
_schemas = typer.Typer()
app.add_typer(_schemas, name="schemas", rich_help_panel=AUTHOR)


@_schemas.callback()
@with_context
def _group(_: CommandContext) -> None:
    """Freeze and check the schemas of a schema registry."""


@_schemas.command("pull", epilog=examples("tandem schemas pull", "tandem --pipeline shop schemas pull orders-value"))
@with_context
def pull_schemas(
    context: CommandContext,
    subjects: Annotated[
        list[str] | None, typer.Argument(metavar="[SUBJECT]...", help="Subjects; default: those of the streams.")
    ] = None,
) -> None:
    """Write the registry's schemas to the pipeline's folder.

    Existing files stay. Submit the job afterwards.
    """
    settings = context.settings
    if settings.location.is_bundled and checkout() is None:
        raise UsageError(
            f"the pipeline {settings.pipeline} comes with Tandem, which is installed: nothing is written to its folder",
            hint="name a pipeline of yours with --pipeline",
        )
    registry = Registry(settings.registry)
    for subject in subjects or _declared(context, otherwise=", or name a subject"):
        with work_shown(f"reading {subject}"):
            done = pull(registry, settings.location.folder, subject)
        for path in done.new:
            print(f"new      {path}")
        for skipped in done.skipped:
            print(f"skipped  {subject} {skipped}")
        context.say(f"{subject}: {len(done.new)} new, {done.known} known, {len(done.skipped)} skipped")


@_schemas.command(
    "check",
    epilog=examples("tandem schemas check", "tandem schemas check --new orders.avsc --subject orders-value"),
)
@with_context
def check_schemas(
    context: CommandContext,
    new: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Check this schema, which is not registered yet.", dir_okay=False),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Subject to check; default: those of the streams.")] = None,
    level: Annotated[Level | None, typer.Option(help="Fail if the registry does not check at least this.")] = None,
) -> None:
    """Compare the streams and their schemas with the registry.

    The registry itself decides whether a schema is compatible. Exit with 1 on any problem.
    """
    registry = Registry(context.settings.registry)
    declared = _declared(context)
    chosen = [subject] if subject else list(declared)
    if new is not None and len(chosen) != 1:
        raise UsageError("--new needs one subject", hint=f"add --subject, one of {', '.join(chosen)}")
    problems = 0
    for name in chosen:
        if name not in declared:
            raise UsageError(f"no stream has the subject {name}", hint=f"choose one of {', '.join(declared)}")
        for stream, values in declared[name]:
            folder = context.settings.location.folder
            with work_shown(f"checking {name}"):
                findings = list(check_stream(registry, folder, stream, values, new=_text(new), level=level))
            for finding in findings:
                print(f"{'problem' if finding.is_problem else 'ok':<8} {name}: {finding.text}")
                problems += finding.is_problem
    if problems:
        raise TandemError(
            f"problems with the schemas: {problems}",
            hint="see the lines above; `tandem schemas pull` adds new versions",
        )


def _declared(context: CommandContext, *, otherwise: str = "") -> dict[str, list[tuple[Stream, Registered]]]:
    found = declared_formats(declared_by(context.settings.location).streams)
    if not found:
        raise UsageError(
            f"no stream of {context.settings.pipeline} is in Confluent's wire format",
            hint=f"declare it with Avro.registered, JsonSchema.registered or Protobuf.registered{otherwise}",
        )
    return found


def _text(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", hint="name a schema's file") from None
