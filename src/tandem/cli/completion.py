"""Completes the values of options in a shell.

Where the files are wrong, it offers nothing; the command itself shows the error.
"""

from __future__ import annotations

from tandem import catalog
from tandem.errors import TandemError
from tandem.settings.load import own_pipelines
from tandem.settings.profiles import profiles


def profile_names(incomplete: str) -> list[str]:
    """Returns the profiles whose names begin with what was typed."""
    try:
        return [name for name in profiles() if name.startswith(incomplete)]
    except TandemError:
        return []


def pipeline_names(incomplete: str) -> list[str]:
    """Returns the lists of pipelines that begin with what was typed."""
    before, comma, last = incomplete.rpartition(",")
    try:
        known = catalog.names(own_pipelines())
    except TandemError:
        return []
    chosen = before.split(",")
    return [f"{before}{comma}{name}" for name in known if name.startswith(last) and name not in chosen]
