"""Sizes a driver's heap by the machine's memory."""

from __future__ import annotations

from pathlib import Path

import psutil

from tandem.settings.heap_size import DRIVER
from tandem.settings.heap_size import heap_mib as size_in_mib

_LIMIT = Path("/sys/fs/cgroup/memory.max")
# A larger heap needs less garbage collection and holds a larger backlog. MongoDB, Kafka and the user need the rest.
_HEAP_SHARE = 0.4
# Above the maximum, Java's references double in size, so the heap would hold less.
_LEAST_HEAP_MIB, _MOST_HEAP_MIB = 4 * 1024, 30 * 1024
# The initial sizes, if the heap is large enough. The heap need not grow while the job reads a backlog. A young
# generation that holds a batch's rows copies few of them.
_START_MIB, _YOUNG_MIB = 3 * 1024, 1500


def machine_memory() -> int:
    """Returns the memory of the machine, or of this container, in bytes."""
    total = int(psutil.virtual_memory().total)
    try:
        return min(total, int(_LIMIT.read_text()))
    except (OSError, ValueError):
        # Outside of a container there is no file; in one without a limit it holds "max".
        return total


def heap_mib(memory: int) -> int:
    """Returns a driver's largest heap in MiB, given the memory in bytes."""
    return min(max(round(memory * _HEAP_SHARE / 2**20), _LEAST_HEAP_MIB), _MOST_HEAP_MIB)


def heap_settings() -> dict[str, str]:
    """Returns Spark's setting for a driver's heap, if no other setting has it."""
    return {DRIVER: f"{heap_mib(machine_memory())}m"}


def start_options(memory: str) -> str:
    """Returns Java's options for the initial sizes of a heap.

    Args:
        memory: the heap's maximum, as in ``spark.driver.memory``.
    """
    mib = size_in_mib(memory)
    return f"-Xms{min(_START_MIB, mib * 3 // 4)}m -XX:NewSize={min(_YOUNG_MIB, mib * 3 // 8)}m"
