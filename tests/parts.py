"""Runs the verification on records and documents in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from bson import encode

from tandem.catalog import PipelineLocation
from tandem.verify.coverage import Coverage
from tandem.verify.documents import CollectionDifferences
from tandem.verify.mongo_documents import Range
from tandem.verify.oracle import Document
from tandem.verify.parallel.parallel_verification import ParallelVerification
from tandem.verify.parallel.work import Work
from tandem.verify.parallel.worker_sources import EncodedDocuments
from tandem.verify.removed import Removed
from tandem.verify.report import Report
from tandem.verify.step_progress import OnProgress, Progress, nothing
from tandem.verify.topics import Offsets, TopicRecord
from tandem.verify.totals import Dropped

# More than any test has records.
UNLIMITED = Dropped(1_000_000)
ALL = Coverage()


class EachTask(Protocol):
    def each(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]: ...


class Here:
    """Runs the functions in this process, the last one first."""

    def each(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        for task in reversed(list(tasks)):
            yield function(*task)


@dataclass(frozen=True)
class Stored:
    """Documents in memory."""

    collections: Mapping[str, Sequence[dict[str, Any]]]

    def ids(self, collection: str) -> set[str]:
        return {each["_id"] for each in self.collections[collection] if isinstance(each["_id"], str)}

    def read(self, collection: str) -> Iterable[dict[str, Any]]:
        return self.collections[collection]

    def ranges(self, collection: str) -> list[Range]:
        """Returns the places of the documents, as two ranges."""
        middle = len(self.collections[collection]) // 2
        return [Range(None, [middle]), Range([middle], None)]

    def encoded(self, collection: str, within: Range) -> Iterable[tuple[Any, bytes]]:
        first, last = ((None if bound is None else bound[0]) for bound in (within.first, within.last))
        return [(each["_id"], encode(each)) for each in self.collections[collection][first:last]]


@dataclass(frozen=True)
class InMemory:
    """Records and documents that can be sent to a process."""

    topics: Mapping[str, Sequence[TopicRecord]]
    stored: Stored

    def records(self, topic: str, starts: Offsets, ends: Offsets) -> Generator[TopicRecord]:
        for each in self.topics[topic]:
            if each.partition in starts and starts[each.partition] <= each.offset < ends[each.partition]:
                yield each

    @contextmanager
    def documents(self) -> Iterator[EncodedDocuments]:
        with nullcontext(self.stored) as stored:
            yield stored

    def ends(self, topic: str) -> Offsets:
        ends = {0: 0}
        for each in self.topics[topic]:
            ends[each.partition] = max(ends.get(each.partition, 0), each.offset + 1)
        return ends


# The job whose documents are verified.
SENDER = "mart/mine"


@dataclass(frozen=True)
class Topic:
    """The records that are left in a topic."""

    topic: str
    records: Sequence[TopicRecord]
    removed: Mapping[int, int] = field(default_factory=dict)

    def beginnings(self) -> Offsets:
        return dict.fromkeys((each.partition for each in self.records), 0) | dict(self.removed)

    def ends(self) -> Offsets:
        return self.beginnings() | {each.partition: each.offset + 1 for each in self.records}

    def read(self, start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[TopicRecord]:
        return (each for each in self.records if start.get(each.partition, end[each.partition]) <= each.offset)


def differences(stored: Iterable[Document], expected: Mapping[str, Document]) -> CollectionDifferences:
    """Returns the differences of a collection, if no record was removed."""
    return CollectionDifferences("c", stored, expected, Removed("c", (), ALL, None, depends=False))


def in_order(letters: Iterable[TopicRecord]) -> list[TopicRecord]:
    """Returns dead letters with offsets of their own."""
    return [each._replace(partition=0, offset=offset) for offset, each in enumerate(letters)]


def report_in_parts(
    location: PipelineLocation,
    sources: InMemory,
    streams: Sequence[str],
    dead_letter_topic: str,
    parameters: Mapping[str, Any],
    *,
    parts: int = 4,
    chunk: int = 3,
    coverage: Coverage = ALL,
    dropped: Dropped = UNLIMITED,
    unknown_then: frozenset[bytes] = frozenset(),
    rounds: int = 1,
    workers: EachTask | None = None,
    progress: OnProgress = nothing,
) -> Report:
    """Returns the report of the parallel verification; ``streams`` are the names of their topics.

    The topics grow before each of the ``rounds``.
    """
    with TemporaryDirectory() as folder:
        ends = {topic: sources.ends(topic) for topic in streams}
        letters = sources.ends(dead_letter_topic)
        starts = {
            topic: {number: coverage.beginnings.get(topic, {}).get(number, 0) for number in offsets}
            for topic, offsets in {**ends, dead_letter_topic: letters}.items()
        }
        coverage = replace(coverage, beginnings=starts)
        work = Work(location, sources, Path(folder), parts, 300, SENDER, 300, parameters, coverage, 2 * chunk, chunk)
        verification = ParallelVerification(work, workers or Here(), Progress(progress))
        read_to = {topic: starts[topic] for topic in streams}
        for number in range(1, rounds + 1):
            grown = {
                topic: {each: start + (ends[topic][each] - start) * number // rounds for each, start in offsets.items()}
                for topic, offsets in ((topic, starts[topic]) for topic in streams)
            }
            verification.take(read_to, grown, unknown_then)
            read_to = grown
            verification.watermark_ms()
            report = verification.report(letters, dropped)
        return report
