"""What an oracle needs to know besides the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem.verify.coverage import Coverage
from tandem.verify.oracle import Division, Expectation

# The number of a content for each stream; 0 is the first content.
Numbers = tuple[int, ...]


@dataclass(frozen=True)
class OracleCall:
    """What an oracle needs to know besides the events.

    Attributes:
        expect: the pipeline's oracle, as ``Oracle.expect``.
        division: how its events can be divided; None if they cannot be.
        collections: the names of the collections that the pipeline writes.
        parameters: the pipeline's parameters.
        watermark_ms: the watermark that the records imply.
        combinations: the result of ``expected.combinations``.
        coverage: what the records can say.
    """

    expect: Callable[..., Expectation]
    division: Division | None
    collections: Sequence[str]
    parameters: Mapping[str, Any]
    watermark_ms: int
    combinations: Sequence[Numbers]
    coverage: Coverage
