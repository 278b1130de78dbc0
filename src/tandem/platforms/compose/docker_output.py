"""Reads what Docker's program prints as JSON."""

from __future__ import annotations

import shutil
from typing import Any

from tandem.errors import EnvironmentNotReadyError
from tandem.parsing import parse_json


def json_object(output: str, command: str) -> dict[str, Any]:
    """Returns the JSON object that a command has printed.

    Args:
        output: its standard output.
        command: the command, for the message.

    Raises:
        EnvironmentNotReadyError: it is something else, because another program has the name ``docker``.
    """
    try:
        value = parse_json(output)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    lines = output.strip().splitlines() or ["nothing"]
    raise EnvironmentNotReadyError(
        f"`{command}` printed no JSON object: {lines[0][:100]}",
        hint=f"is {shutil.which('docker')} Docker's program? If not, put Docker's first on PATH, "
        "or use `--profile embedded`, which needs none",
    )
