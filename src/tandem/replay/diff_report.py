"""Compares a pipeline's collections with a replayed set, and shows the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from pymongo.database import Database
from rich.console import Console
from rich.table import Table

from tandem.catalog import declared_by
from tandem.engine.declare.collection_set import name_beside
from tandem.engine.declare.replay_range import ReplayRange
from tandem.replay.diff import Difference, OnlyOld, difference, in_order
from tandem.settings.model import Settings
from tandem.verify.bounds import Bounds, event_times
from tandem.verify.mongo_documents import AS_NUMBERS
from tandem.verify.step_progress import OnProgress, Progress, counted

_ID_LENGTH = 60


def differences(
    settings: Settings,
    database: Database[dict[str, Any]],
    span: ReplayRange,
    watermark_ms: int,
    only_old: OnlyOld,
    on_progress: OnProgress,
) -> Iterator[Difference]:
    """Yields the differences of each of the pipeline's collections.

    Args:
        settings: the pipeline's settings.
        database: the pipeline's database.
        span: the range of the newest replay into the set.
        watermark_ms: the watermark of its records, in milliseconds since 1970.
        only_old: as for ``difference``.
        on_progress: is called a few times a second, with what is compared, and how many of the old documents.
    """
    progress = Progress(on_progress)
    stored = database.with_options(codec_options=AS_NUMBERS)
    declared = declared_by(settings.location)
    for collection in declared.collections:
        bounds = Bounds(
            fields=event_times(declared, collection),
            since_ms=span.decided_ms,
            # Behind this, whether an event is unmatched was decided with more records.
            until_ms=watermark_ms - span.within_ms,
        )
        old, new = stored[collection.name], stored[name_beside(collection.name, span.into)]
        with progress.step(f"comparing {collection.name}", old.estimated_document_count()) as advance:
            found = difference(collection.name, counted(in_order(old), advance), in_order(new), bounds, only_old)
        yield found


def to_json(found: Difference, *, values: bool) -> dict[str, Any]:
    """Returns the differences as values that ``json.dumps`` takes.

    Args:
        found: the differences.
        values: whether to include the values of differing fields.
    """
    examples = [
        {"_id": each.identity, "fields": each.fields if values else list(each.fields)} for each in found.examples
    ]
    return {**asdict(found), "examples": examples}


def show(found: list[Difference], console: Console, *, values: bool) -> None:
    """Prints the table and a few examples of the differences."""
    console.print(table(found))
    for each in found:
        for line in lines(each, values=values):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def table(found: list[Difference]) -> Table:
    """Returns the table: a row per collection."""
    result = Table()
    for name in ("collection", "old", "new", "equal", "differing", "only old", "only new", "outside"):
        result.add_column(name, justify="left" if name == "collection" else "right")
    for each in found:
        numbers = (each.old, each.new, each.equal, each.differing, each.only_old, each.only_new, each.outside)
        result.add_row(each.collection, *map(str, numbers))
    return result


def lines(found: Difference, *, values: bool) -> Iterator[str]:
    """Yields examples of the differences in one collection."""
    if found.changed:
        fields = ", ".join(f"{name} in {number}" for name, number in found.changed.items())
        yield f"{found.collection}: differing fields: {fields}"
    for example in found.examples:
        if values:
            text = ", ".join(f"{name}: {old} -> {new}" for name, (old, new) in example.fields.items())
        else:
            text = ", ".join(example.fields)
        yield f"  {_short(example.identity)}: {text}"
    if found.undated:
        yield (
            f"{found.collection}: {found.undated} documents in one collection only have no known event time, so they "
            "may be outside; name its fields in event_times of VIEW in streams.py"
        )
    for what, examples in (("old", found.old_examples), ("new", found.new_examples)):
        if examples:
            yield f"{found.collection}: only {what}, such as {', '.join(map(_short, examples))}"


def _short(identity: str) -> str:
    return identity if len(identity) <= _ID_LENGTH else f"{identity[:_ID_LENGTH]}..."
