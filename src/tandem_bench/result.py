"""The result of a run as one value, the source of the table, the JSON and the charts; its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    """

    name: str
    unit: str
    figure: Figure
    kind: RowKind = RowKind.OURS
    remark: str = ""
    compared: bool = False


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
