"""Makes names of streams, and of documents' fields."""

from __future__ import annotations

import builtins
import re
import unicodedata
from collections.abc import Iterable
from keyword import iskeyword

from tandem.engine.declare.collection import ID
from tandem.engine.declare.field_name import check_names, folded
from tandem.scaffold.infer.words import singular

_LONGEST = 20
_PLAIN = "records"
# What the modules of a pipeline call something else, besides Python's own names.
_TAKEN = (
    "pair pairs alone seconds kinds found number value outcome "
    "streams collections view transform documents matched unmatched lookups pipeline dead_letter dead_letter_topic "
    "chance moment moment_id time_ms events event date datetime decimal random any fields stream f spark pytest rows "
    "columns expect expectation document collection column joined noon second stored after_ms named other "
    "identity iterator accepted annotations document_id expected in_time interval_join match_window_seconds name "
    "moment_number no_longer_alone no_longer_unmatched outcomes row timedelta too_late utc"
)
# The end of the constants with the names of a stream's fields in documents.
_NAMES = "_names"


def dead_letter_topic(pipeline: str) -> str:
    """Returns the topic of a new pipeline's rejected records."""
    return f"{pipeline}_dead_letter_v1"


def stream_name(source: str) -> str:
    """Returns a stream's name, a Python identifier.

    >>> stream_name("Orders 2026"), stream_name("orders_v2"), stream_name("class"), stream_name("1.2")
    ('orders_2026', 'orders', 'class_records', 'records')
    """
    letters = unicodedata.normalize("NFKD", re.sub(r"[^0-9A-Za-z]v[0-9]+$", "", source))
    plain = re.sub(r"[^a-z0-9]+", "_", letters.encode("ascii", "ignore").decode().lower())
    name = re.sub(r"^[0-9_]+", "", plain)[:_LONGEST].strip("_")
    if not name:
        return _PLAIN
    if _is_taken(name) or name.endswith(_NAMES):
        return f"{name[: _LONGEST - len(_PLAIN) - 1].strip('_')}_{_PLAIN}"
    return name


def record_name(stream: str) -> str:
    """Returns what one record of a stream is called, a Python identifier.

    >>> record_name("orders"), record_name("dates"), record_name("classes")
    ('order', 'date_record', 'class_record')
    """
    name = singular(stream)
    return f"{name}_record" if _is_taken(name) else name


def _is_taken(name: str) -> bool:
    """Returns whether the name has another meaning in a pipeline's modules.

    Linters refuse some names of one letter.
    """
    return iskeyword(name) or name in _TAKEN.split() or name in dir(builtins) or len(name) == 1


def unlike(name: str, taken: Iterable[str]) -> str:
    """Returns a new name, with a number if it is taken."""
    others = set(map(folded, taken))
    names = (name if number == 1 else f"{name}_{number}" for number in range(1, len(others) + 2))
    return next(each for each in names if folded(each) not in others)


def problem_of_name(name: str, others: Iterable[str]) -> str | None:
    """Returns why a field of this name cannot be declared beside others.

    None if it can.
    """
    try:
        check_names([name])
    except ValueError as error:
        return str(error)
    alike = next((other for other in others if folded(other) == folded(name)), None)
    return None if alike is None else f"field {name!r} differs from {alike!r} in case alone, which Spark does not see"


def in_documents(column: str) -> str:
    """Returns the name that a column can have in documents.

    >>> in_documents("$set"), in_documents("a.b"), in_documents("two words"), in_documents("*")
    ('set', 'a_b', 'two words', 'field')
    """
    # As a column's name, an asterisk alone means all columns.
    return "field" if column == "*" else re.sub(r"[.`]", "_", column.lstrip("$")) or "field"


def document_names(columns: Iterable[str], prefix: str, taken: Iterable[str]) -> dict[str, str]:
    """Returns the documents' field of each column of a stream.

    >>> document_names(["_id", "a.b", "order_id", "kind"], "order", ["kind"])
    {'_id': 'order_id_2', 'a.b': 'a_b', 'order_id': 'order_id', 'kind': 'order_kind'}

    Args:
        columns: the stream's columns.
        prefix: what precedes a name that is taken.
        taken: the names that documents have for something else.
    """
    columns, others = list(columns), {*map(folded, taken), ID}
    found = {column: column for column in columns if in_documents(column) == column and folded(column) not in others}
    for column in columns:
        name = in_documents(column)
        if folded(name) in others:
            name = f"{prefix}_{name.lstrip('_')}"
        found.setdefault(column, unlike(name, [*others, *found.values()]))
    return {column: found[column] for column in columns}
