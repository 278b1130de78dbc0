"""Counts the processors that this process may use."""

from __future__ import annotations

import os
from pathlib import Path

# The container's share of processor time: microseconds, or "max", and the period (cgroups v2).
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processors(quota: Path = _QUOTA) -> int:
    """Returns how many processors this process may use.

    Its affinity and its container's quota limit them.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return min(allowed, max(1, round(int(limit) / int(period))))
    except (OSError, ValueError):  # no limit
        return allowed
