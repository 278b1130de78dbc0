"""The settings of a run, which every part gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tandem.producer.record_plan import DEFAULT_SPAN, Mix, Plan
from tandem.settings.model import Settings
from tandem_bench.bulk_load import BETWEEN_SETS

_SEED = 7
# Event times are in the past, whenever it runs.
_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RunConfig:
    """The settings of a run.

    Attributes:
        settings: the settings of the environments, with the bench's own state folder and ports.
        quick: whether to measure quickly and roughly.
        rounds: the number of rounds.
        records: the approximate number of records in a drained backlog.
        say: prints a message for the user.
        rows: the approximate number of rows that fill the join's windows.
        rates: steady loads in records a second; empty for the part's own.
        warm_s: seconds of load before the measured time; None for the part's own.
        seconds: the measured time of a load; None for the part's own.
        containers: the settings of the environment in containers, with a Compose project of its own.
        environments: the settings of each environment that is measured with full windows, a trickle, and recovery.
    """

    settings: Settings
    quick: bool
    rounds: int
    records: int
    say: Callable[[str], None]
    rows: int
    rates: Sequence[float]
    warm_s: float | None
    seconds: float | None
    containers: Settings
    environments: Sequence[Settings]

    def times(self, warm_s: float, seconds: float) -> tuple[float, float]:
        """Returns the seconds of load before and within the measured time.

        They are the user's, or these.
        """
        return warm_s if self.warm_s is None else self.warm_s, seconds if self.seconds is None else self.seconds

    def plan(self, number: int, *, records: int | None = None, repeats: float = 0.0) -> Plan:
        """Returns a set of records: the same one for the same arguments, all on time.

        Args:
            number: the set's number; event times begin where the windows of the previous set have closed.
            records: the approximate number; None for the bench's own number.
            repeats: the share of events that are sent twice.
        """
        start = _EPOCH + number * (DEFAULT_SPAN + BETWEEN_SETS)
        # An event is an order or a payment; repeats and malformed records add a few.
        count = max(1, (self.records if records is None else records) // 2)
        return Plan(seed=_SEED, count=count, start=start, mix=Mix(repeats=repeats, late=0), span=DEFAULT_SPAN)
