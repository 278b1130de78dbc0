"""Shows the numbers of documents that a batch has written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def counts_in(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each collection in a report of reconcile or replay."""
    done = {what: report[what] for what in ("compared", "inserted", "replaced", "removed")}
    for collection in {name: None for numbers in done.values() for name in numbers}:
        counts = (f"{numbers[collection]} {what}" for what, numbers in done.items() if collection in numbers)
        yield f"{collection}: {', '.join(counts)}"


def records_in(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields a line for each stream in a report of replay."""
    for stream, numbers in report["records"].items():
        yield f"{stream}: {', '.join(f'{number} {kind}' for kind, number in numbers.items())}"
