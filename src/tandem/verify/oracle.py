"""The interface of a pipeline's module ``oracle``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from tandem.catalog import PipelineLocation

# An event: its stream's name and its identity.
EventId = tuple[str, str]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Expectation:
    """The expected documents and outcomes.

    Attributes:
        documents: each collection's documents by ``_id``, dates as ``DatetimeMS``. A missing collection must be empty.
        outcome: one of ``OUTCOMES``, ``waiting`` and ``late`` for each event.
    """

    documents: Mapping[str, Mapping[str, Document]]
    outcome: Mapping[EventId, str]


class Observed(Mapping[str, Set[str]], ABC):
    """The stored documents: the ``_id``s of each of the pipeline's collections."""

    @abstractmethod
    def documents(self, collection: str) -> Iterable[Document]:
        """Returns the documents of any collection of the database, dates as ``DatetimeMS``."""


class Oracle(Protocol):
    """A pipeline's module ``oracle``."""

    # The outcomes of events, besides waiting and late.
    OUTCOMES: tuple[str, ...]

    def expect(
        self,
        accepted: Mapping[str, Mapping[str, Mapping[str, Any]]],
        *,
        watermark_ms: int,
        late: Set[EventId],
        observed: Observed,
        **parameters: Any,
    ) -> Expectation:
        """Returns the expected documents and outcomes.

        Args:
            accepted: each stream's events by identity, as ``reference.Accepted.fields``. Their order means nothing.
            watermark_ms: the watermark that the job has reached.
            late: the events that may have been late. Each was processed or dropped; the oracle finds out which by the
                ``observed`` documents, and expects everything else accordingly.
            observed: the stored documents, including lookups.
            parameters: the parameters of the pipeline's transform.
        """


@dataclass(frozen=True)
class Division:
    """How an oracle's events can be divided.

    ``expect`` gets a part of them at a time. A part has all events with the same key, and the ``_id``s of the documents
    that name one of these events. The other parts must not matter for the documents and the outcomes of its events.

    Attributes:
        key: returns the key of an event of a stream with an identity and fields.
        event: returns the event that a document of a collection names by its ``_id``; None if it names none. All
            expected documents must name one of the part's events.
    """

    key: Callable[[str, str, Mapping[str, Any]], str]
    event: Callable[[str, str], EventId | None]


@runtime_checkable
class Divisible(Protocol):
    """An object whose method ``expect`` is the oracle's, for example an ``IntervalJoin``."""

    def division(self) -> Division | None:
        """Returns how its events can be divided; None if they cannot be."""


def division_of(oracle: Oracle) -> Division | None:
    """Returns how an oracle's events can be divided.

    None if it needs all of them. An inherited ``division`` does not count for a class with an ``expect`` of its own.
    """
    owner = getattr(oracle.expect, "__self__", None)
    if not isinstance(owner, Divisible):
        return None
    defining = next((each for each in type(owner).__mro__ if {"expect", "division"} & vars(each).keys()), object)
    return owner.division() if "division" in vars(defining) else None


def load_oracle(location: PipelineLocation) -> Oracle:
    """Returns the oracle of a pipeline; raises UsageError if there is none."""
    return cast(Oracle, location.module("oracle"))
