"""Reads the size of a machine from the name of its type."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The least memory of a processor in any series, in MiB: N1 has 3.75 GiB, N2 has 4.
_MIB_PER_CPU = {"standard": 3840, "highmem": 6656, "highcpu": 921}
_PREDEFINED = re.compile(r"[a-z0-9]+-(standard|highmem|highcpu)-(\d+)(?:-[a-z]+)?")
_CUSTOM = re.compile(r"(?:[a-z0-9]+-)?custom-(\d+)-(\d+)(?:-ext)?")


@dataclass(frozen=True)
class MachineType:
    """A type of machine.

    Attributes:
        cpus: its processors.
        memory_mib: its memory, or the least that a type of this name has.
    """

    cpus: int
    memory_mib: int


def machine_type_of(name: str) -> MachineType | None:
    """Returns a type of machine by its name; None if the name does not say its size."""
    if found := _PREDEFINED.fullmatch(name):
        return MachineType(int(found[2]), int(found[2]) * _MIB_PER_CPU[found[1]])
    if found := _CUSTOM.fullmatch(name):
        return MachineType(int(found[1]), int(found[2]))
    return None
