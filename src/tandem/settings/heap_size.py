"""Reads the sizes of Java's heaps in Spark's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

DRIVER, EXECUTOR = "spark.driver.memory", "spark.executor.memory"
# Spark refuses less than 450 MiB, and Java's collector keeps some of the driver's heap for itself.
LEAST_MIB = 512
# Java takes a number without a unit as bytes, and Spark as MiB, so a unit is required.
_SIZE = re.compile("([0-9]{1,12})([kmgt])", re.IGNORECASE)
# The same for editors.
HEAP_PATTERN = "^[0-9]{1,12}[kmgtKMGT]$"
_KIB = {"k": 1, "m": 2**10, "g": 2**20, "t": 2**30}


def heap_mib(size: str) -> int:
    """Returns a heap in MiB, rounded down.

    Raises:
        ValueError: Java or Spark would refuse it.
    """
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError("write a whole number and k, m, g or t, such as 4g")
    mib = int(found[1]) * _KIB[found[2].lower()] // 2**10
    if mib < LEAST_MIB:
        raise ValueError(f"Spark needs at least {LEAST_MIB}m")
    return mib


def check_heaps(spark: Mapping[str, str]) -> None:
    """Raises if Java or Spark would refuse a heap.

    Raises:
        ValueError: the message names the setting.
    """
    for name in (DRIVER, EXECUTOR):
        if name in spark:
            try:
                heap_mib(spark[name])
            except ValueError as error:
                raise ValueError(f"{name} is {spark[name]!r}; {error}") from None
