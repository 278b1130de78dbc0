"""A verification as its workers know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from tandem.catalog import Declaration, PipelineLocation, declared_by
from tandem.verify.coverage import Coverage
from tandem.verify.oracle import Division, Oracle, division_of, load_oracle
from tandem.verify.parallel.worker_sources import Sources

# A worker keeps one part in memory at a time, and each record about twice.
_RECORDS_IN_A_PART = 50_000


def parts_for(records: int) -> int:
    """Returns the number of parts for a number of records."""
    return -(-records // _RECORDS_IN_A_PART) or 1


class Rows(StrEnum):
    """The kinds of rows in temporary files, each with the folder of its files."""

    RECORDS = "records"  # events by the part of their identity, as ``reading`` writes them
    STEPS = "steps"  # what the watermark is computed from
    DUE = "due"  # the expected dead letters, by the part of their key
    ROUND = "round"  # the following kinds: a comparison needs them, and the next one computes them again
    STORED = "round/stored"  # documents by the part of the event that they name
    LETTERS = "round/letters"  # the dead letters, by the part of their key
    GROUPED = "round/grouped"  # events by the part of their key, and the documents that name them
    LINKED = "round/linked"  # those whose keys belong together, by the part of one of these keys


@dataclass(frozen=True)
class Work:
    """A verification as every worker knows it. It can be sent to another process.

    Attributes:
        location: the pipeline's location.
        sources: where records and documents are read from.
        folder: the folder of temporary files.
        parts: the number of parts into which rows are divided.
        max_clock_skew_seconds: how far an event time may lie after the record's Kafka timestamp.
        sender: the job whose control records move the watermark.
        lateness_seconds: the pipeline's lateness.
        parameters: the pipeline's parameters.
        coverage: what the records can say.
        chunk: the number of records that a worker reads from Kafka in one task.
        kept: the number of records that it keeps in memory.
    """

    location: PipelineLocation
    sources: Sources
    folder: Path
    parts: int
    max_clock_skew_seconds: int
    sender: str
    lateness_seconds: int
    parameters: Mapping[str, Any]
    coverage: Coverage
    chunk: int = 200_000
    kept: int = 50_000

    @property
    def declared(self) -> Declaration:
        """The pipeline's declarations."""
        return declared_by(self.location)

    @property
    def collections(self) -> list[str]:
        """The names of the collections that the pipeline writes."""
        return [collection.name for collection in self.declared.collections]

    @property
    def oracle(self) -> Oracle:
        """The pipeline's oracle."""
        return load_oracle(self.location)

    @property
    def division(self) -> Division:
        """How the oracle divides events. Others are not verified in parts."""
        return cast(Division, division_of(self.oracle))

    def rows(self, kind: Rows) -> Path:
        """Returns the folder of one kind of rows."""
        return self.folder / kind
