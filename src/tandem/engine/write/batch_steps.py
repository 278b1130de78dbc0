"""Measures the steps of writing a batch, for the job's reports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

# The steps: read the records and join them, write documents to a collection, append dead letters.
COMPUTE, DOCUMENTS, LETTERS = "compute", "documents", "dead_letters"


@dataclass
class BatchSteps:
    """The steps of one batch.

    Attributes:
        dead_letters: the number of records that the batch rejected.
        taken: each step's name, collection, beginning in milliseconds since 1970, and duration in milliseconds.
    """

    dead_letters: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def measured(self, step: str, collection: str | None = None) -> Iterator[None]:
        """Measures a step, which may run beside others in a thread of its own.

        A step that fails is left out.

        Args:
            step: its name.
            collection: the collection that it writes to, if any.
        """
        at_ms, begun = time.time_ns() // 1_000_000, time.monotonic_ns()
        yield
        ms = (time.monotonic_ns() - begun) // 1_000_000
        self.taken.append({"step": step, "collection": collection, "at_ms": at_ms, "ms": ms})
