"""Reads records and documents in a worker, and divides them into parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice

from tandem.verify.compare import counts_of
from tandem.verify.intake import Intake
from tandem.verify.mongo_documents import Range
from tandem.verify.oracle import EventId
from tandem.verify.parallel.spill import Spill, part_of
from tandem.verify.parallel.steps import write_steps
from tandem.verify.parallel.work import Rows, Work
from tandem.verify.parallel.worker_sources import Sources
from tandem.verify.reference import Fields
from tandem.verify.topics import Offsets, TopicRecord
from tandem.verify.watermark import Arrival

# When an event arrived for the first time, and its time then. Without one, it was rejected as of an unknown schema.
First = tuple[int | None, int]
# A row of ``Rows.RECORDS``: the event, its contents and its arrival.
EventRow = tuple[EventId, list[Fields], First | None]
# A row of ``Rows.STORED``: the event that a document names, None without one; the collection's number, and the BSON.
DocumentRow = tuple[EventId | None, int, bytes]


@dataclass(frozen=True)
class Chunk:
    """A range of one partition.

    Attributes:
        name: a name by which the chunks of a partition are in their order.
        topic: the topic.
        partition: the partition.
        start: the offset of the first record to read.
        end: the offset after the last one.
    """

    name: str
    topic: str
    partition: int
    start: int
    end: int

    @property
    def offsets(self) -> int:
        """The number of offsets in it, which is at least that of records."""
        return self.end - self.start

    def records(self, sources: Sources) -> Generator[TopicRecord]:
        """Yields its records."""
        return sources.records(self.topic, {self.partition: self.start}, {self.partition: self.end})


@dataclass(frozen=True)
class Read:
    """What was read in a chunk of a stream.

    Attributes:
        chunk: the chunk.
        counts: the numbers of records, as ``compare.counts_of`` returns them.
        unknown_then: the number of events that the job rejected before their schema was known.
    """

    chunk: Chunk
    counts: Mapping[str, int]
    unknown_then: int


def chunks(topic: str, starts: Offsets, ends: Offsets, name: str, size: int) -> Iterator[Chunk]:
    """Yields the chunks of a topic.

    Args:
        topic: the topic.
        starts: the offset of each partition's first record to read.
        ends: the offset after the last one.
        name: the begin of their names.
        size: the largest number of records in one.
    """
    for partition, end in ends.items():
        for number, start in enumerate(range(starts[partition], end, size)):
            last = min(start + size, end)
            yield Chunk(f"{name}-{partition:06}-{number:09}", topic, partition, start, last)


def read_records(work: Work, chunk: Chunk, unknown_then: Set[bytes]) -> Read:
    """Reads a chunk of a stream; writes its events, dead letters and steps."""
    stream = next(each for each in work.declared.streams if each.topic == chunk.topic)
    counts, unknown_then_count = Counter[str](), 0
    with closing(chunk.records(work.sources)) as records:
        for number in range(chunk.offsets):
            intake = Intake(stream, max_clock_skew_seconds=work.max_clock_skew_seconds, sender=work.sender)
            intake.take(islice(records, work.kept), unknown_then)
            if not intake.consumed:
                break
            name = f"{chunk.name}-{number:06}"
            _write(work, name, intake)
            write_steps(work.rows(Rows.STEPS) / stream.name / name, intake.arrivals)
            counts.update(counts_of(intake))
            unknown_then_count += len(intake.unknown_then)
    return Read(chunk, counts, unknown_then_count)


def read_letters(work: Work, chunk: Chunk) -> None:
    """Reads a chunk of the dead letters."""
    with Spill(work.rows(Rows.LETTERS), chunk.name) as letters:
        for letter in chunk.records(work.sources):
            letters.add(part_of(letter.key or b"", work.parts), tuple(letter))


def read_documents(work: Work, number: int, name: str, within: Range) -> None:
    """Reads documents, and writes each into the part of the event that it names.

    Args:
        work: the verification.
        number: the collection's number.
        name: a name that no other range of any collection has.
        within: the range.
    """
    division, collection = work.division, work.collections[number]
    with work.sources.documents() as documents, Spill(work.rows(Rows.STORED), name) as stored:
        for identity, encoded in documents.encoded(collection, within):
            event = division.event(collection, identity) if type(identity) is str else None
            row: DocumentRow = (event, number, encoded)
            stored.add(part_of(event[1] if event else "", work.parts), row)


def _write(work: Work, name: str, intake: Intake) -> None:
    """Writes the events and the dead letters of records."""
    firsts = _first_arrivals(intake.arrivals)
    with Spill(work.rows(Rows.RECORDS), name) as events, Spill(work.rows(Rows.DUE), name) as due:
        for identity in intake.accepted:
            event = (intake.stream.name, identity)
            row: EventRow = (event, intake.contents(identity), firsts.get(identity))
            events.add(part_of(identity, work.parts), row)
        for key, letter in chain(intake.dead.items(), intake.unknown_then.items()):
            due.add(part_of(key, work.parts), (key, tuple(letter)))


def _first_arrivals(arrivals: list[Arrival]) -> dict[str, First]:
    """Returns each event's first arrival, as ``watermark.sweep`` finds it."""
    found: dict[str, First] = {}
    for arrival in arrivals:
        if arrival.identity is not None:
            first = (arrival.at, arrival.time)
            found[arrival.identity] = earlier(found.get(arrival.identity), first)
    return found


def earlier(one: First | None, other: First) -> First:
    """Returns the earlier one of two arrivals of an event.

    They are in the order of reading. One at an unknown time comes after all others.
    """
    if one is None:
        return other
    if other[0] is not None and (one[0] is None or other[0] < one[0]):
        return other
    return one
