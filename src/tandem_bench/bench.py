"""What every part is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tandem.producer.plan import DEFAULT_SPAN, Mix, Plan
from tandem.settings.model import Settings
from tandem_bench.load import BETWEEN_SETS

_SEED = 7
# Event times have passed, whenever it is run.
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bench:
    """The settings of a run.

    Attributes:
        settings: of the environments; their state folder and ports are the bench's own.
        quick: whether a rough figure soon is wanted rather than a good one.
        rounds: how often each thing is measured.
        records: how many records wait in a drain, about.
        say: tells the user what is going on.
    """

    settings: Settings
    quick: bool
    rounds: int
    records: int
    say: Callable[[str], None]

    def plan(self, number: int, *, records: int | None = None, repeats: float = 0.0) -> Plan:
        """Returns a set of records: the same one for the same arguments, all on time.

        Args:
            number: of the set; a later one's event times begin where the one before has closed.
            records: how many, about; None for the bench's own number.
            repeats: the share of events that are sent twice.
        """
        start = _EPOCH + number * (DEFAULT_SPAN + BETWEEN_SETS)
        # An event is an order or a payment; a few more records come of repeats and malformed ones.
        count = max(1, (self.records if records is None else records) // 2)
        return Plan(seed=_SEED, count=count, start=start, mix=Mix(repeats=repeats, late=0), span=DEFAULT_SPAN)
