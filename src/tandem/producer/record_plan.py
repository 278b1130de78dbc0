"""The plan of generated records, from which every process computes the same ones."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta

from tandem.errors import UsageError

# The last event is this long before now, so that control records at now close every window: match window, lateness
# and the few minutes by which an event may follow its partner, with a margin.
SETTLED = timedelta(minutes=45)
DEFAULT_SPAN = timedelta(hours=2)
DEFAULT_REAL_RATE = 20.0
# A record is late if it arrives this long after its event time; a few repeats are, too.
LATE_AFTER = timedelta(minutes=65)


@dataclass(frozen=True)
class Mix:
    """The shares of difficult records, each between 0 and 1.

    Attributes:
        repeats: records that are sent again with the same bytes.
        early: records dated, and arriving, before their partner.
        late: records that arrive after the watermark has passed them.
        unmatched: events without a partner.
        malformed: invalid records in addition to the events.
    """

    repeats: float = 0.1
    early: float = 0.2
    late: float = 0.01
    unmatched: float = 0.05
    malformed: float = 0.02

    def __post_init__(self) -> None:
        for name, share in asdict(self).items():
            if not 0 <= share <= 1:
                raise UsageError(f"the share {name}={share:g} is not between 0 and 1", hint="for example repeats=0.2")
        if self.unmatched + self.early + self.late > 1:
            raise UsageError("the sum of the shares unmatched, early and late is more than 1", hint="lower one of them")

    @classmethod
    def parse(cls, text: str, base: Mix) -> Mix:
        """Returns ``base`` with the shares of a text like ``repeats=0.2,late=0``."""
        known = [each.name for each in fields(cls)]
        shares: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, share = part.partition("=")
            if name not in known:
                raise UsageError(f"there is no share {name!r}", hint=f"choose from: {', '.join(known)}")
            try:
                shares[name] = float(share)
            except ValueError:
                raise UsageError(f"the share {part!r} is not a number", hint="for example repeats=0.2,late=0") from None
        return replace(base, **shares)


@dataclass(frozen=True)
class Plan:
    """The parameters that determine the records.

    Attributes:
        seed: the seed of all random choices.
        count: the number of primary events; None for endless, in real time only.
        start: the first event time (compressed), or when to begin (real), with a time zone; kept to the millisecond.
        mix: the shares of difficult records.
        span: the event time that ``count`` events cover if compressed.
        rate: primary events per second of real time: each event happens when it is due to be sent. None for compressed.

    Raises:
        UsageError: the values contradict each other.
    """

    seed: int
    count: int | None
    start: datetime
    mix: Mix = field(default_factory=Mix)
    span: timedelta = DEFAULT_SPAN
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("the start of a plan needs a time zone")
        if self.count is None and self.rate is None:
            raise UsageError("endless records need real event time", hint="give --count, or --event-time real")
        if self.count is not None and self.count < 1:
            raise UsageError("the count is not positive", hint="--count 10000")
        if self.rate is not None and self.rate <= 0:
            raise UsageError("the rate is not positive", hint="--rate 20")
        if self.span <= timedelta(0):
            raise UsageError("the span is not positive", hint="--span-minutes 120")
        if self.rate is None and self.mix.late and self.late_share == 0:
            raise UsageError(
                f"late records need a span longer than {LATE_AFTER.total_seconds() / 60:g} minutes",
                hint="a longer --span-minutes, or --mix late=0",
            )

    @staticmethod
    def settled_start(span: timedelta = DEFAULT_SPAN) -> datetime:
        """Returns the start of a compressed plan whose windows can all close now."""
        return datetime.now(UTC) - SETTLED - span

    @property
    def start_ms(self) -> int:
        """The start in milliseconds since the epoch."""
        return (self.start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    @property
    def span_ms(self) -> int:
        """The span in milliseconds."""
        return self.span // timedelta(milliseconds=1)

    @property
    def late_share(self) -> float:
        """The share of the events that sufficiently late records can still follow.

        These are the events with lower ids.
        """
        return 1.0 if self.rate is not None else max(0.0, 1 - LATE_AFTER / self.span)

    @property
    def name(self) -> str:
        """A prefix for ids.

        An event is immutable, so plans with different contents have different names. In real time, the start does not
        matter: event n happens at n / rate since the epoch.
        """
        basis = (self.mix, self.span_ms, self.rate) if self.rate else (self.mix, self.span_ms, self.count)
        mark = hashlib.blake2b(repr(basis).encode(), digest_size=3).hexdigest()
        return f"{self.seed}-{'real' if self.rate else self.start_ms}-{mark}"
