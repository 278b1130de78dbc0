"""A hook of MkDocs: writes the reference of the command line from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from typer.main import get_command

from tandem.cli.app import app

MARKER = "<!-- commands -->"
_SHARED = "Shared options"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page's text with the commands in the place of the marker."""
    return markdown.replace(MARKER, reference(get_command(app))) if MARKER in markdown else markdown


def reference(root: Any) -> str:
    """Returns all commands in Markdown, by the panels of the help.

    Args:
        root: the group of commands that Typer makes of an application.
    """
    shared = [each for each in root.params if each.rich_help_panel == _SHARED]
    lines = ["## Options of every command", "", *_table("option", shared), ""]
    panels = dict.fromkeys(command.rich_help_panel for command in root.commands.values())
    for panel in panels:
        lines += [f"## {panel}", ""]
        for name, command in root.commands.items():
            if command.rich_help_panel == panel:
                lines += _section(f"{root.name} {name}", command)
    return "\n".join(lines)


def _section(path: str, command: Any) -> Iterator[str]:
    """Yields the lines of a command, or of each command of a group."""
    if children := getattr(command, "commands", None):
        for name, child in children.items():
            yield from _section(f"{path} {name}", child)
        return
    own = [each for each in command.params if each.rich_help_panel != _SHARED and not getattr(each, "hidden", False)]
    arguments = [each for each in own if each.param_type_name == "argument"]
    options = [each for each in own if each.param_type_name == "option"]
    usage = [path, *(_usage(each) for each in arguments), *(["[options]"] if options else [])]
    yield from (f"### {path}", "", "```", " ".join(usage), "```", "", " ".join((command.help or "").split()), "")
    for title, parameters in (("argument", arguments), ("option", options)):
        if parameters:
            yield from (*_table(title, parameters), "")
    if command.epilog:
        # The first line is the title of the examples.
        yield from ("```", *(line.strip() for line in command.epilog.splitlines()[1:]), "```", "")


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _table(title: str, parameters: Sequence[Any]) -> Iterator[str]:
    yield from (f"| {title} | meaning |", "|---|---|")
    for each in parameters:
        names = [each.name.upper()] if each.param_type_name == "argument" else [*each.opts, *each.secondary_opts]
        shown = ", ".join(f"`{name}`" for name in names)
        preset = each.opts[0] if each.default is True else each.default
        default = "" if preset in (None, False, "") else f" (default: {preset})"
        text = " ".join((getattr(each, "help", None) or "").split())
        meaning = f"{text}{'' if 'default' in text else default}".replace("|", "\\|")
        yield f"| {shown} | {meaning} |"
