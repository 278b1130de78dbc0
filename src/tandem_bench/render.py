"""Shows a result: tables for a terminal, JSON and bar charts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.table import Table

from tandem.errors import UsageError
from tandem_bench.result import Part, Result, RowKind

_STYLES = {RowKind.OURS: "bold", RowKind.LIMIT: "dim", RowKind.PEER: ""}
_WIDTH, _BAR, _GAP, _LABELS, _FIGURES, _HEAD, _FOOT = 820, 18, 8, 300, 150, 40, 48
# The maximum length of a limit's bar, relative to the longest bar of ours and of peers; longer bars are cut.
_LONGEST_LIMIT = 2.0
_COLOURS = {RowKind.OURS: "#2563eb", RowKind.LIMIT: "#9ca3af", RowKind.PEER: "#d97706"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.small{font-size:11px;fill:#6b7280}"
    ".range{stroke:#111827;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.small{fill:#9ca3af}.range{stroke:#f9fafb}}"
)


def table(part: Part) -> Table:
    """Returns a part's table: a row for each figure, with its extremes.

    Remarks and settings stand below, so that it fits into 80 columns.
    """
    notes = [f"{row.group or row.name}: {row.remark}" for row in part.rows if row.remark]
    caption = "\n".join([*notes, _settings(part)])
    result = Table(title=part.title, title_justify="left", caption=caption, caption_justify="left")
    result.add_column(part.name)
    for column in ("median", "least", "most"):
        result.add_column(column, justify="right", no_wrap=True)
    result.add_column("unit", no_wrap=True)
    compared = any(row.compared for row in part.rows)
    if compared:
        result.add_column("first row over it", justify="right", max_width=9)
    for group, rows in groupby(part.rows, key=lambda row: row.group):
        if group:
            result.add_section()
            result.add_row(group, style="bold")
        for row in rows:
            values = row.figure.values
            cells = [row.name, *(number(value) for value in (row.figure.median, min(values), max(values))), row.unit]
            if compared:
                times = part.ratio(row)
                cells.append("" if times is None else f"{times:.2f}")
            # The rows of a group are ours; its title is bold instead.
            result.add_row(*cells, style="" if group else _STYLES[row.kind])
    return result


def number(value: float) -> str:
    """Returns a number with three significant digits or more, thousands apart."""
    if abs(value) >= 1000:
        return grouped(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def grouped(value: float) -> str:
    """Returns a whole number with its thousands apart."""
    return f"{value:,.0f}".replace(",", " ")


def _settings(part: Part) -> str:
    return ", ".join(f"{name} {value}" for name, value in part.settings.items())


def draw(part: Part, about: Mapping[str, Any]) -> str:
    """Returns an SVG with a bar for each row of the first row's unit.

    A bar is as long as the median, and a line marks the extremes. A much longer bar of a limit is cut and marked.

    Args:
        part: the part to draw.
        about: the run's conditions; the machine and the revision are shown below.
    """
    rows = [row for row in part.rows if row.unit == part.rows[0].unit]
    most = max(max(row.figure.values) for row in rows) or 1.0
    compared = [max(row.figure.values) for row in rows if row.kind is not RowKind.LIMIT]
    if compared:
        most = min(most, _LONGEST_LIMIT * max(compared))
    scale = (_WIDTH - _LABELS - _FIGURES) / most
    lines = [_text(0, 18, f"{part.title} ({rows[0].unit})")]
    for place, row in enumerate(rows):
        top, middle = _HEAD + place * (_BAR + _GAP), _HEAD + place * (_BAR + _GAP) + _BAR / 2
        values = (row.figure.median, min(row.figure.values), max(row.figure.values))
        length, low, high = (scale * min(value, most) for value in values)
        label = f"{number(row.figure.median)}{' (cut)' if row.figure.median > most else ''}"
        lines += [
            _text(_LABELS - 10, middle + 4, row.title, anchor="end"),
            f'<rect x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{_COLOURS[row.kind]}"/>',
            f'<path d="M{_LABELS + low:.1f} {middle}H{_LABELS + high:.1f}" class="range"/>',
            _text(_LABELS + high + 8, middle + 4, label),
        ]
    height = _HEAD + len(rows) * (_BAR + _GAP) + _FOOT
    machine = about["machine"]
    rounds = len(rows[0].figure.values)
    footnotes = (
        f"median and extremes of {rounds}; {', '.join(f'{name} {value}' for name, value in part.settings.items())}",
        f"{machine['cores']} cores of {machine['processor']}, revision {about['revision']}, {about['at'][:10]}",
    )
    lines += [_text(0, height - 24 + 16 * place, footnote, small=True) for place, footnote in enumerate(footnotes)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img"><title>{escape(part.title)}</title><style>{_STYLE}</style>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", small: bool = False) -> str:
    kind = ' class="small"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def write(result: Result, folder: Path) -> list[Path]:
    """Returns the files that were written.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {"bench.json": json.dumps(result.to_json(), indent=2) + "\n"}
    texts |= {f"{part.name}.svg": draw(part, result.about) for part in result.parts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", hint="choose another --out") from None
    return [folder / name for name in texts]
