"""The result of a run as one value, the source of the table, the JSON and the charts; its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """The values of one measurement in several rounds.

    Attributes:
        values: one for each round, in order; at least one.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a figure needs a value")

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """The difference of the extremes, as a part of the median; 0 for a single value."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


def ratio(ours: Figure, theirs: Figure) -> float:
    """Returns the median of the rounds' ratios: a disturbance in a round affects both.

    Raises:
        ValueError: they are not of the same rounds.
    """
    if len(ours.values) != len(theirs.values):
        raise ValueError("a ratio needs two figures of the same rounds")
    return median(a / b if b else math.inf for a, b in zip(ours.values, theirs.values, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least ``share`` (above 0, at most 1) of the values do not exceed.

    Raises:
        ValueError: there are no values, or the share is none.
    """
    if not values or not 0 < share <= 1:
        raise ValueError("a percentile needs values and a share above 0")
    return sorted(values)[math.ceil(share * len(values)) - 1]


class RowKind(StrEnum):
    """The measured program: ours, a limit or a peer."""

    OURS = "tandem"
    LIMIT = "limit"
    PEER = "peer"


@dataclass(frozen=True)
class Row:
    """One line of a part.

    Attributes:
        name: the measured quantity.
        unit: the unit of the values.
        figure: one value for each round.
        kind: the measured program.
        remark: a remark for the reader, such as lost records.
        compared: whether the table has the ratio of the part's first row to this one.
        group: the conditions that a row shares with its neighbours; the table has it once, above them.
    """

    name: str
    unit: str
    figure: Figure
    kind: RowKind = RowKind.OURS
    remark: str = ""
    compared: bool = False
    group: str = ""

    @property
    def title(self) -> str:
        """The name with its group."""
        return f"{self.group}: {self.name}" if self.group else self.name


class Rounds:
    """Collects rows while rounds are measured, in the order in which they are first added.

    Args:
        say: prints what is added, so that an aborted run leaves the figures that it has measured.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._values: dict[tuple[str, str, str], list[float]] = {}
        self._remarks: dict[tuple[str, str, str], str] = {}

    def add(self, group: str, figures: Mapping[tuple[str, str], float], remark: str = "") -> None:
        """Adds the values of one round.

        Args:
            group: their group.
            figures: each value by its name and unit.
            remark: a remark on the first of them; it replaces that of the previous round.
        """
        self._say(f"{group}: {', '.join(f'{name} {value:.3g} {unit}' for (name, unit), value in figures.items())}")
        for place, ((name, unit), value) in enumerate(figures.items()):
            key = (group, name, unit)
            self._values.setdefault(key, []).append(value)
            if remark and not place:
                self._remarks[key] = remark

    def rows(self) -> list[Row]:
        """Returns a row for each name in each group; the rows of a group are neighbours."""
        groups = list(dict.fromkeys(group for group, _, _ in self._values))
        keys = sorted(self._values, key=lambda key: groups.index(key[0]))
        return [
            Row(name, unit, Figure(tuple(self._values[key])), remark=self._remarks.get(key, ""), group=group)
            for key in keys
            for group, name, unit in (key,)
        ]


@dataclass(frozen=True)
class Part:
    """One part of the bench.

    Attributes:
        name: its name on the command line.
        title: the measurement, in a line.
        rows: its rows; the others are compared with the first.
        settings: the settings that affect the figures.
    """

    name: str
    title: str
    rows: Sequence[Row]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def ratio(self, row: Row) -> float | None:
        """Returns the ratio of the first row's figure to this row's; None if they are not comparable."""
        return ratio(self.rows[0].figure, row.figure) if row.compared else None


@dataclass(frozen=True)
class Result:
    """A whole run.

    Attributes:
        about: the machine, the versions and the source, as ``about.about`` tells them.
        parts: in the order in which they ran.
    """

    about: Mapping[str, Any]
    parts: Sequence[Part]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as values that ``json.dumps`` takes."""
        return {
            "about": dict(self.about),
            "parts": [
                {
                    "name": part.name,
                    "title": part.title,
                    "settings": dict(part.settings),
                    "rows": [
                        {
                            **{
                                name: value for name, value in asdict(row).items() if name not in ("figure", "compared")
                            },
                            "values": list(row.figure.values),
                            "median": row.figure.median,
                            "spread": row.figure.spread,
                            "ratio": part.ratio(row),
                        }
                        for row in part.rows
                    ],
                }
                for part in self.parts
            ],
        }
