"""All commands of the command line."""

from __future__ import annotations

from tandem.cli.commands import MODULES, command_line

app = command_line(MODULES)
