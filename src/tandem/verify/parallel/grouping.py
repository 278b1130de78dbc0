"""Groups records by event, and events by the oracle's key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from tandem.verify.events import Events
from tandem.verify.parallel.reading import First, earlier
from tandem.verify.parallel.spill import Spill, part_of, rows_of
from tandem.verify.parallel.steps import Watermarks
from tandem.verify.parallel.work import Work
from tandem.verify.report import Kind, Problem, Problems


class Arrived(IntEnum):
    """When an event arrived."""

    IN_TIME = 0
    LATE = 1  # or maybe late
    UNPROCESSED = 2  # all its records were rejected before their schema was known


@dataclass(frozen=True)
class Grouped:
    """What was found in a part.

    Attributes:
        repeated: the number of further records of an event, by the stream's number.
        most_contents: the largest number of different contents of one event, for each stream.
        conflicts: the conflicting events.
        linked: parts that belong together, because an event has contents with different keys.
    """

    repeated: list[int]
    most_contents: list[int]
    conflicts: list[Problem]
    linked: set[frozenset[int]] = field(default_factory=set)


def group(work: Work, part: int) -> Grouped:
    """Groups one part's records by event, and divides the events by key."""
    streams, division = work.declared.streams, work.division
    watermarks = Watermarks(work.round)
    events = [Events(stream) for stream in streams]
    firsts: dict[tuple[int, str], First | None] = {}
    repeated, linked = [0] * len(streams), set()
    for number, identity, contents, first in rows_of(work.records, part):
        event = (number, identity)
        repeated[number] += event in firsts
        for fields in contents:
            events[number].add(identity, fields)
        known = firsts.get(event)
        firsts[event] = known if first is None else earlier(known, first)
    places: dict[tuple[int, str], int] = {}
    with Spill(work.events, str(part)) as grouped, Spill(work.documents, str(part)) as documents:
        for (number, identity), first in firsts.items():
            contents = events[number].contents(identity)
            keys = (division.key(streams[number].name, identity, fields) for fields in contents)
            possible = frozenset(part_of(key, work.parts) for key in keys)
            place = min(possible)
            if len(possible) > 1:
                linked.add(possible)
            places[number, identity] = place
            grouped.add(place, (number, identity, contents, _arrived(first, watermarks)))
        for named, collection, encoded in rows_of(work.stored, part):
            # A document that names no event is unexpected in any part.
            documents.add(places.get(named, part), (collection, encoded))
    problems = Problems()
    for each in events:
        for identity in each.conflicting:
            problems.add(Kind.CONFLICTING, each.stream.name, identity)
    return Grouped(repeated, [each.most_contents for each in events], problems.all(), linked)


def joined(parts: int, linked: Iterable[frozenset[int]]) -> list[list[int]]:
    """Returns all parts, those together that belong together."""
    groups = {part: {part} for part in range(parts)}
    for link in linked:
        together = set().union(*(groups[part] for part in link))
        groups.update(dict.fromkeys(together, together))
    return [sorted(each) for part, each in groups.items() if part == min(each)]


def _arrived(first: First | None, watermarks: Watermarks) -> Arrived:
    if first is None:
        return Arrived.UNPROCESSED
    at, time = first
    return Arrived.LATE if time <= watermarks.at(at) * 1000 else Arrived.IN_TIME
