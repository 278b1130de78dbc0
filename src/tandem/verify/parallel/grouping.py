"""Groups records by event, and events by the oracle's key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from tandem.verify.events import Events
from tandem.verify.oracle import EventId
from tandem.verify.parallel.reading import First, earlier
from tandem.verify.parallel.spill import Spill, part_of, rows_of
from tandem.verify.parallel.steps import Watermarks
from tandem.verify.parallel.work import Rows, Work
from tandem.verify.reference import Fields
from tandem.verify.report import Kind, Problem, Problems
from tandem.verify.watermark import read_by


class Arrived(IntEnum):
    """When an event arrived."""

    IN_TIME = 0
    LATE = 1  # or maybe late
    UNPROCESSED = 2  # all its records were rejected before their schema was known


# The folders in ``Rows.GROUPED`` and ``Rows.LINKED``: of events, and of the documents that name them.
EVENTS, DOCUMENTS = "events", "documents"
# An event's key, the event, its contents and when it arrived.
GroupedEvent = tuple[str, EventId, list[Fields], Arrived]
# The key of the event that a document names, None without one; the collection's number, and the BSON.
GroupedDocument = tuple[str | None, int, bytes]


@dataclass(frozen=True)
class Grouped:
    """What was found in a part.

    Attributes:
        repeated: the number of further records of an event, by stream.
        most_contents: the largest number of different contents of one event, for each stream.
        conflicts: the conflicting events.
        linked: the keys of each event that has several, because its contents differ.
    """

    repeated: Counter[str]
    most_contents: list[int]
    conflicts: list[Problem]
    linked: set[frozenset[str]] = field(default_factory=set)


def group(work: Work, part: int) -> Grouped:
    """Groups one part's records by event, and divides the events by key."""
    streams, division = work.declared.streams, work.division
    watermarks = Watermarks(work.rows(Rows.ROUND))
    events = {stream.name: Events(stream) for stream in streams}
    firsts: dict[EventId, First | None] = {}
    repeated, linked = Counter[str](), set[frozenset[str]]()
    for event, contents, first in rows_of(work.rows(Rows.RECORDS), part):
        stream, identity = event
        repeated[stream] += event in firsts
        for fields in contents:
            events[stream].add(identity, fields)
        known = firsts.get(event)
        firsts[event] = known if first is None else earlier(known, first)
    keys: dict[EventId, str] = {}
    with (
        Spill(work.rows(Rows.GROUPED) / EVENTS, str(part)) as grouped,
        Spill(work.rows(Rows.GROUPED) / DOCUMENTS, str(part)) as documents,
    ):
        for event, first in firsts.items():
            stream, identity = event
            contents = events[stream].contents(identity)
            possible = [division.key(stream, identity, fields) for fields in contents]
            if len(different := frozenset(possible)) > 1:
                linked.add(different)
            keys[event] = key = possible[0]
            row: GroupedEvent = (key, event, contents, _arrived(first, watermarks, work.coverage.passed_ms))
            grouped.add(part_of(key, work.parts), row)
        for named, collection, encoded in rows_of(work.rows(Rows.STORED), part):
            of = keys.get(named)
            document: GroupedDocument = (of, collection, encoded)
            # A document that names no event is unexpected in any part.
            documents.add(part if of is None else part_of(of, work.parts), document)
    problems = Problems()
    for each in events.values():
        for identity in each.conflicting:
            problems.add(Kind.CONFLICTING, each.stream.name, identity)
    return Grouped(repeated, [each.most_contents for each in events.values()], problems.all(), linked)


def representatives(linked: Iterable[frozenset[str]]) -> dict[str, str]:
    """Returns for each linked key its representative.

    Keys that are linked with each other, at any distance, have the same one.
    """
    above: dict[str, str] = {}

    def top(key: str) -> str:
        while (higher := above.setdefault(key, key)) != key:
            # Halves the way for later calls.
            above[key] = above[higher]
            key = higher
        return key

    for keys in linked:
        first, *others = keys
        for other in others:
            above[top(other)] = top(first)
    return {key: top(key) for key in list(above)}


def _arrived(first: First | None, watermarks: Watermarks, passed_ms: int) -> Arrived:
    if first is None:
        return Arrived.UNPROCESSED
    at, time = first
    met = max(passed_ms, watermarks.at(None if at is None else read_by(at)))
    return Arrived.LATE if time <= met * 1000 else Arrived.IN_TIME
