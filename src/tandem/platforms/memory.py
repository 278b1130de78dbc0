"""Finds out the memory of this machine."""

from __future__ import annotations

import os
from pathlib import Path

_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int:
    """Returns the machine's memory in bytes, or the limit of the container that this runs in."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(there, int(_LIMIT.read_text()))
    except (OSError, ValueError):
        # No such file outside of a container, and "max" in one without a limit.
        return there
