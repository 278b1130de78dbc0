"""Compares the events of one part with its documents, and its dead letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bson import decode

from tandem.errors import TandemError
from tandem.verify.dead_letters import compare_letters
from tandem.verify.documents import Content, content_of
from tandem.verify.events import Events
from tandem.verify.expected import Numbers, Question, answer, expected
from tandem.verify.intake import Letter
from tandem.verify.mongo_documents import AS_NUMBERS
from tandem.verify.oracle import Document, EventId, Expectation
from tandem.verify.parallel.grouping import Arrived
from tandem.verify.parallel.spill import rows_of
from tandem.verify.parallel.work import Work
from tandem.verify.report import Problem, Problems
from tandem.verify.topics import TopicRecord

# By collection: the ``_id`` and the content of stored documents that copy none of the part's expected documents.
Invented = Mapping[str, list[tuple[str, Content]]]


@dataclass(frozen=True)
class Compared:
    """The comparison of a part.

    Attributes:
        outcomes: the number of events of each outcome, by stream.
        late_unprocessed: the number of unprocessed events whose outcome is late.
        problems: the differences, except ``invented``.
        invented: documents that were not expected. Another part may expect a document that they copy.
        differ: whether documents differ.
    """

    outcomes: Mapping[str, Counter[str]]
    late_unprocessed: int
    problems: list[Problem]
    invented: Invented
    differ: bool


@dataclass(frozen=True)
class _Part:
    events: Sequence[Events]
    documents: _PartDocuments
    late: Set[EventId]
    unprocessed: Set[EventId]


class _PartDocuments:
    """The documents of a part, in memory."""

    def __init__(self, work: Work, parts: Iterable[int]) -> None:
        self._documents: dict[str, list[dict[str, Any]]] = {name: [] for name in work.collections}
        for part in parts:
            for number, encoded in rows_of(work.documents, part):
                self._documents[work.collections[number]].append(decode(encoded, AS_NUMBERS))

    def ids(self, collection: str) -> Set[str]:
        return {document["_id"] for document in self._documents[collection] if isinstance(document["_id"], str)}

    def read(self, collection: str) -> Iterable[Document]:
        return self._documents[collection]


def compare_part(work: Work, parts: Sequence[int], watermark_ms: int, combinations: Sequence[Numbers]) -> Compared:
    """Returns the comparison of parts that belong together.

    Args:
        work: the verification.
        parts: the parts.
        watermark_ms: the watermark that the records imply.
        combinations: the result of ``expected.combinations``.
    """
    question = _question(work, watermark_ms, combinations)
    part = _loaded(work, parts)
    found = answer(question, part.events, part.documents, part.late, part.unprocessed)
    problems = Problems()
    for differences in found.differences.values():
        differences.add_to(problems, invented=False)
    return Compared(
        found.outcomes,
        found.late_unprocessed,
        problems.all(),
        {name: invented for name, differences in found.differences.items() if (invented := differences.invented)},
        any(found.differences.values()),
    )


def find_copied(
    work: Work,
    parts: Sequence[int],
    watermark_ms: int,
    combinations: Sequence[Numbers],
    contents: Mapping[str, Set[Content]],
) -> dict[str, set[Content]]:
    """Returns the contents that expected documents of these parts have."""
    question = _question(work, watermark_ms, combinations)
    found: dict[str, set[Content]] = {collection: set() for collection in contents}
    part = _loaded(work, parts)
    for expectation in expected(question, part.events, part.documents, part.late | part.unprocessed):
        for collection, wanted in contents.items():
            documents = expectation.documents.get(collection, {}).values()
            found[collection].update(wanted & set(map(content_of, documents)))
    return found


def compare_letters_of(work: Work, part: int, beginnings: Mapping[str, Mapping[int, int]]) -> list[Problem]:
    """Returns the differences of the dead letters in a part."""
    problems = Problems()
    due = {key: Letter(*letter) for key, letter in rows_of(work.due, part)}
    letters = (TopicRecord(*letter) for letter in rows_of(work.letters, part))
    compare_letters(work.declared.dead_letter_topic, letters, due, beginnings, problems)
    return problems.all()


def _question(work: Work, watermark_ms: int, combinations: Sequence[Numbers]) -> Question:
    return Question(_checked(work), work.collections, work.parameters, watermark_ms, combinations)


def _checked(work: Work) -> Callable[..., Expectation]:
    """Returns the oracle's ``expect``, which then raises if a document names no event of the part."""
    oracle, division = work.oracle, work.division

    def expect(accepted: Mapping[str, Mapping[str, Any]], **others: Any) -> Expectation:
        expectation = oracle.expect(accepted, **others)
        for collection, documents in expectation.documents.items():
            for identity in documents:
                event = division.event(collection, identity)
                if event is None or event[1] not in accepted.get(event[0], ()):
                    raise TandemError(
                        f"the oracle expects a document in {collection} that names no event of its part",
                        hint="remove `division` from the oracle's class, or let it fit `expect`",
                    )
        return expectation

    return expect


def _loaded(work: Work, parts: Sequence[int]) -> _Part:
    """Returns the rows of parts."""
    events = [Events(stream) for stream in work.declared.streams]
    late: set[EventId] = set()
    unprocessed: set[EventId] = set()
    for part in parts:
        for number, identity, contents, arrived in rows_of(work.events, part):
            for fields in contents:
                events[number].add(identity, fields)
            if arrived is not Arrived.IN_TIME:
                to = late if arrived is Arrived.LATE else unprocessed
                to.add((events[number].stream.name, identity))
    return _Part(events, _PartDocuments(work, parts), late, unprocessed)
