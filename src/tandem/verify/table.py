"""Shows a report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tandem.verify.report import Kind, Report


def show(report: Report, console: Console) -> None:
    """Prints the table, then examples of the differences, and the notes."""
    console.print(table(report))
    for problem in report.problems:
        text = f"{problem.kind} in {problem.where}: {problem.count}, such as {', '.join(problem.examples)}"
        console.print(text, markup=False, highlight=False)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def table(report: Report) -> Table:
    """Returns the table: a column per stream and the total, a row per outcome and difference."""
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
