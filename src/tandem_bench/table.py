"""Shows a result on a terminal."""

from __future__ import annotations

from rich.table import Table

from tandem_bench.result import Kind, Part

_STYLES = {Kind.OURS: "bold", Kind.LIMIT: "dim", Kind.PEER: ""}


def table(part: Part) -> Table:
    """Returns a part's table: a row for each figure, with the median and the extremes of the rounds."""
    result = Table(title=part.title, title_justify="left", caption=_settings(part), caption_justify="left")
    result.add_column(part.name)
    for column in ("median", "least", "most"):
        result.add_column(column, justify="right")
    result.add_column("unit")
    if any(row.compared for row in part.rows):
        result.add_column("first row over it", justify="right")
    if any(row.remark for row in part.rows):
        result.add_column("remark")
    for row in part.rows:
        values = row.figure.values
        cells = [row.name, *(number(value) for value in (row.figure.median, min(values), max(values))), row.unit]
        if any(each.compared for each in part.rows):
            times = part.ratio(row)
            cells.append("" if times is None else f"{times:.2f}")
        if any(each.remark for each in part.rows):
            cells.append(row.remark)
        result.add_row(*cells, style=_STYLES[row.kind])
    return result


def number(value: float) -> str:
    """Returns a number with three significant digits or more, thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _settings(part: Part) -> str:
    return ", ".join(f"{name} {value}" for name, value in part.settings.items())
