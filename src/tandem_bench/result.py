"""What a run of the bench has found, as one value: the table, the JSON and the picture are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tandem_bench.arithmetic import Figure, ratio


class Kind(StrEnum):
    """Whose figure it is."""

    OURS = "tandem"
    LIMIT = "limit"
    PEER = "peer"


@dataclass(frozen=True)
class Row:
    """One line of a part.

    Attributes:
        name: what was measured.
        unit: of the values.
        figure: one value for each round.
        kind: whose it is.
        remark: what a reader must know of it, such as what was lost.
        compared: whether the table tells how many times the part's first row is of this one.
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
        name: by which it is chosen.
        title: what it measures, in a line.
        rows: the first is what others are compared with.
        settings: what the figures depend on.
    """

    name: str
    title: str
    rows: Sequence[Row]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def ratio(self, row: Row) -> float | None:
        """Returns how many times the first row's figure is of this row's; None where they are not to be compared."""
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
