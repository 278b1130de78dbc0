"""Compares what the topics imply with what MongoDB and the dead-letter topic hold. Pure: it reads what it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import Any, Protocol

from bson.int64 import Int64

from tandem.verify.intake import Intake, Letter
from tandem.verify.oracle import Document, Expectation, Observed, Oracle
from tandem.verify.record import Record
from tandem.verify.report import Counts, Kind, Problems, Report
from tandem.verify.watermark import Watermark


class Documents(Protocol):
    """The documents that are there. A large collection is streamed, so it is read twice rather than kept."""

    def ids(self, collection: str) -> Set[str]:
        """Returns the ``_id``s that are strings."""

    def read(self, collection: str) -> Iterable[Document]:
        """Returns all documents, dates as ``DatetimeMS``."""


def compare(
    intakes: Sequence[Intake],
    documents: Documents,
    letters: Iterable[Record],
    watermark: Watermark,
    *,
    oracle: Oracle,
    parameters: Mapping[str, Any],
    beginnings: Mapping[str, Mapping[int, int]] | None = None,
    dropped_as_late: int | None = None,
) -> Report:
    """Returns where every record went and every difference.

    Args:
        intakes: what was read of each stream.
        documents: what is in MongoDB.
        letters: what is in the dead-letter topic.
        watermark: what ``watermark.sweep`` says of the intakes.
        oracle: the pipeline's.
        parameters: the pipeline's parameters.
        beginnings: the first offset that was there, by topic and partition; 0 where not given.
        dropped_as_late: how many records the job says it has dropped as late, repeats included; None when unknown. More
            cannot be missing for that reason: the rest is lost.
    """
    problems = Problems()
    observed = _Observed(documents, oracle.COLLECTIONS)
    expected = [
        oracle.expect(accepted, watermark_ms=watermark.ms, late=watermark.late, observed=observed, **parameters)
        for accepted in _variants(intakes)
    ]
    for collection in oracle.COLLECTIONS:
        _documents(collection, documents.read(collection), [e.documents[collection] for e in expected], problems)
    due = dict(chain.from_iterable(intake.dead.items() for intake in intakes))
    _letters(oracle.DEAD_LETTER_TOPIC, letters, due, beginnings or {}, problems)
    for intake in intakes:
        for identity in intake.versions:
            problems.add(Kind.CONFLICTING, intake.stream.name, identity)
    streams = {intake.stream.name: _counts(intake, expected[0]) for intake in intakes}
    missing = sum(counts["late"] for counts in streams.values())
    for _ in range(missing - dropped_as_late if dropped_as_late is not None else 0):
        problems.add(Kind.LOST, "what may have been late", f"{missing} missing, {dropped_as_late} dropped by the job")
    notes = _notes(beginnings or {})
    if missing and dropped_as_late is None:
        notes.append(f"{missing} records may have been late: how many the job dropped as late is not known")
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


def _variants(intakes: Sequence[Intake]) -> Iterable[dict[str, Mapping[str, Mapping[str, Any]]]]:
    """Yields the accepted events, once more for each further content of events that were sent with different contents.

    Which content the job took is its choice, so a document may agree with any.
    """
    yield {intake.stream.name: intake.accepted for intake in intakes}
    most = max((len(versions) for intake in intakes for versions in intake.versions.values()), default=0)
    for number in range(most):
        yield {
            intake.stream.name: intake.accepted
            | {identity: versions[min(number, len(versions) - 1)] for identity, versions in intake.versions.items()}
            for intake in intakes
        }


def _documents(
    collection: str, found: Iterable[Document], variants: list[Mapping[str, Document]], problems: Problems
) -> None:
    contents: set[frozenset[tuple[str, Any]]] | None = None
    seen: set[str] = set()
    for document in found:
        identity = document.get("_id")
        choices = [variant[identity] for variant in variants if identity in variant] if type(identity) is str else []
        if choices:
            seen.add(str(identity))
            differing = [_differing(document, choice) for choice in choices]
            if all(differing):
                problems.add(Kind.WRONG, collection, identity, ", ".join(sorted(differing[0])))
        else:
            if contents is None:
                contents = {_content(document) for variant in variants for document in variant.values()}
            kind = Kind.DOUBLED if _content(document) in contents else Kind.INVENTED
            problems.add(kind, collection, identity)
    for identity in variants[0]:
        if identity not in seen and all(identity in variant for variant in variants):
            problems.add(Kind.LOST, collection, identity)


def _differing(found: Document, expected: Document) -> set[str]:
    """Returns the fields that differ in presence, value or type: 5.0 and true equal integers in Python, not here."""
    return {
        name
        for name in found.keys() | expected.keys()
        if name not in found
        or name not in expected
        or found[name] != expected[name]
        or (type(found[name]) is not type(expected[name]) and type(found[name]) is not Int64)
    }


def _content(document: Document) -> frozenset[tuple[str, Any]]:
    """Returns what a document says besides its ``_id``, to recognise a copy under another one."""
    return frozenset((name, repr(value)) for name, value in document.items() if name != "_id")


def _letters(
    topic: str,
    letters: Iterable[Record],
    due: Mapping[bytes, Letter],
    beginnings: Mapping[str, Mapping[int, int]],
    problems: Problems,
) -> None:
    seen: Counter[bytes] = Counter()
    for letter in letters:
        key = letter.key or b""
        expected = due.get(key)
        if expected is None:
            if not _of_removed_record(key, beginnings):
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


def _of_removed_record(key: bytes, beginnings: Mapping[str, Mapping[int, int]]) -> bool:
    topic, _, place = key.decode(errors="replace").rpartition("-")
    topic, _, partition = topic.rpartition("-")
    if not (partition.isdecimal() and place.isdecimal()):
        return False
    return int(place) < beginnings.get(topic, {}).get(int(partition), 0)


def _counts(intake: Intake, expected: Expectation) -> Counts:
    name = intake.stream.name
    outcome = Counter(expected.outcome[name, identity] for identity in intake.accepted)
    return Counts(
        consumed=intake.consumed,
        repeated=intake.repeated,
        dead=len(intake.dead),
        control=intake.control,
        **outcome,
    )


def _notes(beginnings: Mapping[str, Mapping[int, int]]) -> list[str]:
    removed = {topic: sum(offsets.values()) for topic, offsets in beginnings.items()}
    return [
        f"{topic}: the first {count} offsets were removed by retention and could not be verified"
        for topic, count in removed.items()
        if count
    ]
