"""Compares the expected documents and dead letters with the stored ones.

Without I/O.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, product
from math import prod
from typing import Any, Protocol

from tandem.verify.documents import CollectionDifferences
from tandem.verify.intake import Intake, Letter
from tandem.verify.oracle import Document, Expectation, Observed, Oracle
from tandem.verify.report import Kind, Problems, RecordCounts, Report
from tandem.verify.topics import TopicRecord
from tandem.verify.watermark import Watermark

# The most combinations of contents to try for events that were sent with different contents.
_MOST_COMBINATIONS = 1_000
# The key of a dead letter: a topic, a partition and an offset.
_KEY = re.compile(rb"(.+)-([0-9]{1,10})-([0-9]{1,19})", re.DOTALL)


class Documents(Protocol):
    """The stored documents.

    A large collection is read twice rather than kept in memory.
    """

    def ids(self, collection: str) -> Set[str]:
        """Returns the ``_id``s that are strings."""

    def read(self, collection: str) -> Iterable[Document]:
        """Returns all documents, dates as ``DatetimeMS``."""


def compare(
    intakes: Sequence[Intake],
    documents: Documents,
    letters: Iterable[TopicRecord] | None,
    watermark: Watermark,
    *,
    oracle: Oracle,
    collections: Sequence[str],
    dead_letter_topic: str,
    parameters: Mapping[str, Any],
    beginnings: Mapping[str, Mapping[int, int]] | None = None,
    dropped_as_late: int | None = None,
) -> Report:
    """Returns every record's outcome and every difference.

    Args:
        intakes: the records read of each stream.
        documents: MongoDB's documents.
        letters: the records of the dead-letter topic; None if they are not compared.
        watermark: the result of ``watermark.sweep`` for the intakes.
        oracle: the pipeline's oracle.
        collections: the names of the collections that the pipeline writes.
        dead_letter_topic: the topic of ``letters``.
        parameters: the pipeline's parameters.
        beginnings: the first available offset, by topic and partition; 0 where not given.
        dropped_as_late: the number of records that the job dropped as late, repeats included; None if unknown. More
            cannot be missing for that reason: the rest is lost.
    """
    problems = Problems()
    observed = _Observed(documents, collections)
    # The job has written no document of these, but reconcile may have: as with late events.
    unprocessed = {(intake.stream.name, identity) for intake in intakes for identity in intake.unprocessed}
    late = watermark.late | unprocessed

    def expect(accepted: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Expectation:
        return oracle.expect(accepted, watermark_ms=watermark.ms, late=late, observed=observed, **parameters)

    contents = _contents(intakes)
    expected = expect(next(contents))
    differences = {
        collection: CollectionDifferences(
            collection, documents.read(collection), expected.documents.get(collection, {})
        )
        for collection in collections
    }
    while any(differences.values()) and (others := next(contents, None)):
        also = expect(others)
        for collection, found in differences.items():
            found.or_expected(also.documents.get(collection, {}))
    for found in differences.values():
        found.add_to(problems)
    due = dict(chain.from_iterable((intake.dead | intake.unknown_then).items() for intake in intakes))
    if letters is not None:
        _letters(dead_letter_topic, letters, due, beginnings or {}, problems)
    for intake in intakes:
        for identity in intake.conflicting:
            problems.add(Kind.CONFLICTING, intake.stream.name, identity)
    streams = {intake.stream.name: _counts(intake, expected) for intake in intakes}
    missing = sum(counts["late"] for counts in streams.values())
    missing -= sum(expected.outcome[event] == "late" for event in unprocessed)
    for _ in range(missing - dropped_as_late if dropped_as_late is not None else 0):
        problems.add(Kind.LOST, "possibly late records", f"{missing} missing, {dropped_as_late} dropped by the job")
    notes = _notes(beginnings or {})
    if unknown_then := sum(len(intake.unknown_then) for intake in intakes):
        notes.append(
            f"{dead_letter_topic}: records that were rejected before their schema was known: {unknown_then}; "
            "`tandem reconcile` writes their documents, but none of unmatched events"
        )
    if any(differences.values()) and (combinations := prod(map(_most_contents, intakes))) > _MOST_COMBINATIONS:
        notes.append(
            f"events were sent with too many different contents: documents were compared with "
            f"{_MOST_COMBINATIONS} of {combinations} combinations"
        )
    if missing and dropped_as_late is None:
        notes.append(f"{missing} records may have been late; the number that the job dropped is unknown")
    return Report(streams, problems.all(), notes, watermark.ms, tuple(oracle.OUTCOMES))


class _Observed(Observed):
    def __init__(self, documents: Documents, collections: Iterable[str]) -> None:
        self._documents = documents
        self._ids = {collection: documents.ids(collection) for collection in collections}

    def __getitem__(self, collection: str) -> Set[str]:
        return self._ids[collection]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def documents(self, collection: str) -> Iterable[Document]:
        return self._documents.read(collection)


def _contents(intakes: Sequence[Intake]) -> Iterator[dict[str, Mapping[str, Mapping[str, Any]]]]:
    """Yields the accepted events by stream, once for each combination of contents.

    The first combination has the first contents of each event.

    If an event was sent with different contents, the job may have used any of them, and another one for each document.
    A combination uses the content of the same number, or the last one, for all events of a stream. So for any contents
    of two events of two streams, one of the combinations has both.
    """
    # Number 0 is the first content.
    combinations = product(*(range(min(_most_contents(intake), _MOST_COMBINATIONS)) for intake in intakes))
    for numbers in sorted(combinations, key=sum)[:_MOST_COMBINATIONS]:
        yield {
            intake.stream.name: _of_number(number, intake) if number else intake.accepted
            for intake, number in zip(intakes, numbers, strict=True)
        }


def _of_number(number: int, intake: Intake) -> Mapping[str, Mapping[str, Any]]:
    others = {identity: versions[min(number, len(versions)) - 1] for identity, versions in intake.versions.items()}
    return intake.accepted | others


def _most_contents(intake: Intake) -> int:
    """Returns the largest number of different contents of one event."""
    return 1 + max(map(len, intake.versions.values()), default=0)


def _letters(
    topic: str,
    letters: Iterable[TopicRecord],
    due: Mapping[bytes, Letter],
    beginnings: Mapping[str, Mapping[int, int]],
    problems: Problems,
) -> None:
    """Adds the differences between dead letters and ``due``."""
    seen: Counter[bytes] = Counter()
    for letter in letters:
        key = letter.key or b""
        expected = due.get(key)
        if expected is None:
            source, partition, offset = _place(key)
            if offset >= beginnings.get(source, {}).get(partition, 0):
                problems.add(Kind.INVENTED, topic, key.decode(errors="replace"))
            continue
        seen[key] += 1
        if seen[key] > 1:
            problems.add(Kind.DOUBLED, topic, key.decode())
            continue
        # The record's own headers come first, so that the contract's win.
        headers = {name: value.decode(errors="replace") for name, value in letter.headers if value is not None}
        differing = [name for name, text in expected.headers.items() if headers.get(name) != text]
        differing += ["detail"] if "detail" not in headers else []
        differing += ["value"] if letter.value != expected.value else []
        if differing:
            problems.add(Kind.WRONG, topic, key.decode(), ", ".join(differing))
    for key in due.keys() - seen.keys():
        problems.add(Kind.LOST, topic, key.decode())


def _place(key: bytes) -> tuple[str, int, int]:
    """Returns the topic, the partition and the offset in a dead letter's key.

    The topic is empty for another key.
    """
    parts = _KEY.fullmatch(key)
    return (parts[1].decode(errors="replace"), int(parts[2]), int(parts[3])) if parts else ("", 0, 0)


def _counts(intake: Intake, expected: Expectation) -> RecordCounts:
    name = intake.stream.name
    outcome = Counter(expected.outcome[name, identity] for identity in intake.accepted)
    return RecordCounts(
        consumed=intake.consumed,
        repeated=intake.repeated,
        dead=len(intake.dead),
        control=intake.control,
        ignored=intake.ignored,
        **outcome,
    )


def _notes(beginnings: Mapping[str, Mapping[int, int]]) -> list[str]:
    removed = {topic: sum(offsets.values()) for topic, offsets in beginnings.items()}
    return [
        f"{topic}: the first {count} offsets were removed by retention and could not be verified"
        for topic, count in removed.items()
        if count
    ]
