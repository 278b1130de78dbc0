"""The result of a verification, and its table for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table

from tandem.engine.declare.iso_time import iso_time_of

_EXAMPLES = 5
_ID_LENGTH = 60


class Kind(StrEnum):
    """The kinds of differences."""

    LOST = "lost"  # expected but missing
    DOUBLED = "doubled"  # stored twice
    INVENTED = "invented"  # stored but not expected
    WRONG = "wrong"  # stored with different content
    CONFLICTING = "conflicting"  # one event was sent with different contents; the sender's fault, not the pipeline's


class RecordCounts(Counter[str]):
    """The outcomes of a stream's records by the report's rows; ``consumed`` is their sum."""

    @property
    def balanced(self) -> bool:
        """Whether every consumed record is accounted for."""
        return 2 * self["consumed"] == self.total()


@dataclass
class Problem:
    """One kind of difference in one place: a collection, a topic or a stream."""

    kind: Kind
    where: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Problems:
    """Collects differences: counts all, keeps a few ids, never a payload."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, str], Problem] = {}

    def add(self, kind: Kind, where: str, identity: object, remark: str = "") -> None:
        """Counts one difference."""
        problem = self._found.setdefault((kind, where), Problem(kind, where))
        problem.count += 1
        if len(problem.examples) < _EXAMPLES:
            text = str(identity)
            short = text if len(text) <= _ID_LENGTH else f"{text[:_ID_LENGTH]}..."
            problem.examples.append(f"{short} ({remark})" if remark else short)

    def merge(self, others: Iterable[Problem]) -> None:
        """Counts differences that were collected elsewhere."""
        for other in others:
            problem = self._found.setdefault((other.kind, other.where), Problem(other.kind, other.where))
            problem.count += other.count
            problem.examples = [*problem.examples, *other.examples][:_EXAMPLES]

    def all(self) -> list[Problem]:
        """Returns the differences."""
        return list(self._found.values())


@dataclass(frozen=True)
class Report:
    """The result of ``verify``.

    Attributes:
        streams: the outcomes of each stream's records.
        problems: the differences.
        notes: further remarks, one sentence each.
        watermark_ms: the watermark that the records imply.
        outcomes: the pipeline's names for the outcomes of events, besides ``waiting`` and ``late``.
    """

    streams: Mapping[str, RecordCounts]
    problems: list[Problem]
    notes: list[str]
    watermark_ms: int
    outcomes: tuple[str, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows of the report, in the order in which they are shown."""
        last = ("ignored",) if self.total["ignored"] else ()
        return ("consumed", *self.outcomes, "waiting", "repeated", "late", "dead", "control", *last)

    @property
    def total(self) -> RecordCounts:
        """The sum over the streams."""
        total = RecordCounts()
        for counts in self.streams.values():
            total.update(counts)
        return total

    @property
    def ok(self) -> bool:
        """Whether everything agrees. Conflicting events alone do not fail a verification."""
        balanced = all(counts.balanced for counts in self.streams.values())
        return balanced and all(problem.kind is Kind.CONFLICTING for problem in self.problems)

    def count(self, kind: Kind) -> int:
        """Returns the number of differences of a kind."""
        return sum(problem.count for problem in self.problems if problem.kind is kind)

    def to_json(self) -> dict[str, Any]:
        """Returns the report as values that ``json.dumps`` takes."""
        return {
            "ok": self.ok,
            "watermark": iso_time_of(self.watermark_ms) if self.watermark_ms else None,
            "streams": {name: self._in_order(counts) for name, counts in self.streams.items()},
            "total": self._in_order(self.total),
            "problems": [asdict(problem) for problem in self.problems],
            "notes": self.notes,
        }

    def _in_order(self, counts: RecordCounts) -> dict[str, int]:
        return {row: counts[row] for row in self.rows}


def show(report: Report, console: Console) -> None:
    """Prints the table, then examples of the differences, and the notes."""
    console.print(table(report))
    for problem in report.problems:
        text = f"{problem.kind} in {problem.where}: {problem.count}, such as {', '.join(problem.examples)}"
        console.print(text, markup=False, highlight=False)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def table(report: Report) -> Table:
    """Returns the table: a column per stream, a row per outcome.

    There are also a column for the total and a row per difference.
    """
    verdict = "[green]every record is accounted for[/]" if report.ok else "[red]MongoDB and the topics do not agree[/]"
    # The verdict is one line, even with one stream.
    result = Table(caption=verdict, caption_justify="left", min_width=36)
    result.add_column("records")
    for name in (*report.streams, "total"):
        result.add_column(name, justify="right")
    columns = (*report.streams.values(), report.total)
    for row in report.rows:
        result.add_row(row, *(str(counts[row]) for counts in columns), end_section=row == "consumed")
    result.add_section()
    for kind in Kind:
        count = report.count(kind)
        if kind is not Kind.CONFLICTING or count:
            result.add_row(kind, *("" for _ in report.streams), str(count), style="red" if count else None)
    return result
