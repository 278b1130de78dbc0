"""The result of a run as one value, the source of the table, the JSON and the charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tandem_bench.arithmetic import Figure, ratio


class Kind(StrEnum):
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
    kind: Kind = Kind.OURS
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
