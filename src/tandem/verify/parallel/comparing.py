"""Compares the events of one part with its documents, and its dead letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import decode

from tandem.errors import TandemError
from tandem.verify.dead_letters import compare_letters
from tandem.verify.events import Events
from tandem.verify.expected import compare_events
from tandem.verify.intake import Letter
from tandem.verify.mongo_documents import AS_NUMBERS
from tandem.verify.oracle import Document, EventId, Expectation
from tandem.verify.oracle_call import Numbers, OracleCall
from tandem.verify.parallel.grouping import DOCUMENTS, EVENTS, Arrived
from tandem.verify.parallel.spill import Spill, part_of, rows_of
from tandem.verify.parallel.work import Rows, Work
from tandem.verify.report import Problem, Problems
from tandem.verify.topics import TopicRecord


@dataclass(frozen=True)
class Compared:
    """The comparison of a part.

    Attributes:
        outcomes: the number of events of each outcome, by stream.
        late_undropped: the number of events whose outcome is late although the job has not dropped them.
        undecided: the number of events whose documents may depend on events that were not read.
        removed: the number of documents that may be of removed records, by collection.
        problems: the differences. A copy of a document that another part expects is ``invented``.
        differ: whether documents differ.
    """

    outcomes: Mapping[str, Counter[str]]
    late_undropped: int
    undecided: int
    removed: Counter[str]
    problems: list[Problem]
    differ: bool


class _PartDocuments:
    """The documents of a part, in memory."""

    def __init__(self, documents: Mapping[str, list[dict[str, Any]]]) -> None:
        self._documents = documents

    def ids(self, collection: str) -> Set[str]:
        return {document["_id"] for document in self._documents[collection] if isinstance(document["_id"], str)}

    def read(self, collection: str) -> Iterable[Document]:
        return self._documents[collection]


def compare_part(
    work: Work,
    kind: Rows,
    part: int,
    watermark_ms: int,
    combinations: Sequence[Numbers],
    linked: Mapping[str, str],
) -> Compared:
    """Returns the comparison of a part.

    Rows of linked keys are not compared, but written into ``Rows.LINKED``.

    Args:
        work: the verification.
        kind: ``Rows.GROUPED`` or ``Rows.LINKED``.
        part: the part.
        watermark_ms: the watermark that the records imply.
        combinations: the result of ``expected.combinations``.
        linked: of the result of ``grouping.representatives``, the part's keys.
    """
    events = {stream.name: Events(stream) for stream in work.declared.streams}
    late: set[EventId] = set()
    unprocessed: set[EventId] = set()
    for _, event, contents, arrived in _unlinked(work, work.rows(kind), EVENTS, part, linked):
        for fields in contents:
            events[event[0]].add(event[1], fields)
        if arrived is not Arrived.IN_TIME:
            (late if arrived is Arrived.LATE else unprocessed).add(event)
    documents: dict[str, list[dict[str, Any]]] = {name: [] for name in work.collections}
    for _, number, encoded in _unlinked(work, work.rows(kind), DOCUMENTS, part, linked):
        documents[work.collections[number]].append(decode(encoded, AS_NUMBERS))
    call = OracleCall(
        _checked(work), work.division, work.collections, work.parameters, watermark_ms, combinations, work.coverage
    )
    found = compare_events(call, list(events.values()), _PartDocuments(documents), late, unprocessed)
    problems = Problems()
    for differences in found.differences.values():
        differences.add_to(problems)
    differ = any(found.differences.values())
    return Compared(found.outcomes, found.late_undropped, found.undecided, found.removed, problems.all(), differ)


def compare_letters_of(work: Work, part: int) -> tuple[list[Problem], int]:
    """Returns the differences of a part's dead letters; see ``compare_letters``."""
    problems = Problems()
    due = {key: Letter(*letter) for key, letter in rows_of(work.rows(Rows.DUE), part)}
    letters = (TopicRecord(*letter) for letter in rows_of(work.rows(Rows.LETTERS), part))
    removed = compare_letters(work.declared.dead_letter_topic, letters, due, work.coverage, problems)
    return problems.all(), removed


def _unlinked(work: Work, folder: Path, what: str, part: int, linked: Mapping[str, str]) -> Iterator[Any]:
    """Yields a part's rows without linked keys.

    Writes the others into the part of their representative.
    """
    with Spill(work.rows(Rows.LINKED) / what, str(part)) as others:
        for row in rows_of(folder / what, part):
            representative = linked.get(row[0])
            if representative is None:
                yield row
            else:
                others.add(part_of(representative, work.parts), row)


def _checked(work: Work) -> Callable[..., Expectation]:
    """Returns the oracle's ``expect``.

    It raises TandemError if a document names no event of the part.
    """
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
