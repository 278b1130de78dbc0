"""Compares events with documents, for all contents that the events were sent with.

Without I/O.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

from tandem.verify.documents import CollectionDifferences
from tandem.verify.events import Events
from tandem.verify.oracle import Document, EventId, Expectation, Observed
from tandem.verify.oracle_call import Numbers, OracleCall
from tandem.verify.removed import Removed
from tandem.verify.undecided import undecided

# The most combinations of contents to try for events that were sent with different contents.
MOST_COMBINATIONS = 1_000


class Documents(Protocol):
    """The stored documents.

    A large collection is read twice rather than kept in memory.
    """

    def ids(self, collection: str) -> Set[str]:
        """Returns the ``_id``s that are strings."""

    def read(self, collection: str) -> Iterable[Document]:
        """Returns all documents, dates as ``DatetimeMS``."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of events with documents.

    Attributes:
        outcomes: the number of events of each outcome, by stream.
        late_undropped: the number of events whose outcome is late although the job has not dropped them: of the
            unprocessed and the undecided ones.
        undecided: the number of events whose documents may depend on events that were not read.
        differences: the differences of each collection.
    """

    outcomes: Mapping[str, Counter[str]]
    late_undropped: int
    undecided: int
    differences: Mapping[str, CollectionDifferences]

    @property
    def removed(self) -> Counter[str]:
        """The number of documents that may be of removed records, by collection."""
        return Counter({name: found.removed for name, found in self.differences.items()})


def compare_events(
    call: OracleCall,
    events: Sequence[Events],
    documents: Documents,
    late: Set[EventId],
    unprocessed: Set[EventId],
) -> Comparison:
    """Returns the comparison of events with documents.

    Args:
        call: what the oracle needs to know.
        events: the events of each stream.
        documents: the stored documents.
        late: the events that may have been late.
        unprocessed: the events whose records were all rejected before their schema was known.
    """
    observed = ObservedDocuments(documents, call.collections)
    unsure = undecided(call, events, observed)
    expectations = expected(call, events, observed, late | unprocessed | unsure)
    first = next(expectations)
    differences = {
        collection: CollectionDifferences(
            collection,
            documents.read(collection),
            first.documents.get(collection, {}),
            Removed(collection, events, call.coverage, call.division, depends=bool(unsure)),
        )
        for collection in call.collections
    }
    while any(differences.values()) and (other := next(expectations, None)):
        for collection, found in differences.items():
            found.or_expected(other.documents.get(collection, {}))
    outcomes = {
        each.stream.name: Counter(first.outcome[each.stream.name, identity] for identity in each.accepted)
        for each in events
    }
    undropped = sum(first.outcome[event] == "late" for event in unprocessed | unsure)
    return Comparison(outcomes, undropped, len(unsure), differences)


def expected(
    call: OracleCall, events: Sequence[Events], observed: Observed, late: Set[EventId]
) -> Iterator[Expectation]:
    """Yields what the oracle expects, once for each combination of contents.

    The first combination has the first contents of each event.

    If an event was sent with different contents, the job may have used any of them, and another one for each document.
    A combination uses the content of the same number, or the last one, for all events of a stream. So for any contents
    of two events of two streams, one of the combinations has both.
    """
    watermark_ms = max(call.watermark_ms, call.coverage.passed_ms)
    tried = set()
    for combination in call.combinations:
        numbers = tuple(min(number, each.most_contents - 1) for number, each in zip(combination, events, strict=True))
        if numbers in tried:
            continue
        tried.add(numbers)
        accepted = {
            each.stream.name: _of_number(number, each) if number else each.accepted
            for number, each in zip(numbers, events, strict=True)
        }
        yield call.expect(accepted, watermark_ms=watermark_ms, late=late, observed=observed, **call.parameters)


def combinations(most_contents: Sequence[int]) -> list[Numbers]:
    """Returns the combinations to try, the first contents first.

    Args:
        most_contents: the largest number of contents of one event, for each stream.
    """
    numbers = product(*(range(min(most, MOST_COMBINATIONS)) for most in most_contents))
    return sorted(numbers, key=sum)[:MOST_COMBINATIONS]


class ObservedDocuments(Observed):
    """Stored documents for an oracle; their ``_id``s are read when they are needed.

    Args:
        documents: the stored documents.
        collections: the names of the collections that the pipeline writes.
    """

    def __init__(self, documents: Documents, collections: Iterable[str]) -> None:
        self._documents, self._collections = documents, tuple(collections)
        self._ids: dict[str, Set[str]] = {}

    def __getitem__(self, collection: str) -> Set[str]:
        if collection not in self._collections:
            raise KeyError(collection)
        if collection not in self._ids:
            self._ids[collection] = self._documents.ids(collection)
        return self._ids[collection]

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def documents(self, collection: str) -> Iterable[Document]:
        """Returns the documents of any collection of the database, dates as ``DatetimeMS``."""
        return self._documents.read(collection)


def _of_number(number: int, events: Events) -> Mapping[str, Mapping[str, Any]]:
    others = {identity: versions[min(number, len(versions)) - 1] for identity, versions in events.versions.items()}
    return events.accepted | others
