"""Tells objects whose names are data, such as ids, from records with fields."""

from __future__ import annotations

import re

from tandem.scaffold.infer.observed import ObservedValues

# Names that nobody gives to fields: numbers, dates, UUIDs.
_DATA = re.compile(
    r"[0-9]+|[0-9]{4}-[0-9]{2}(-[0-9]{2}.*)?|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
)
# Other names are data if many objects have so many of them, and each is in few objects.
_ENOUGH_OBJECTS, _ENOUGH_NAMES, _MOST_COMMON = 5, 10, 0.2


def values_of_map(seen: ObservedValues) -> ObservedValues | None:
    """Returns what was seen of a map's values; None if the objects are records.

    Args:
        seen: what was seen of the objects.
    """
    names, objects = seen.fields, seen.counts["object"]
    if not names or any("\0" in name for name in names):
        return None
    counts = [each.counts.total() for each in names.values()]
    vary = objects >= _ENOUGH_OBJECTS and len(names) >= _ENOUGH_NAMES and max(counts) <= _MOST_COMMON * objects
    if not vary and not all(map(_DATA.fullmatch, names)):
        return None
    values = ObservedValues(f"{seen.path}[*]", seen.depth + 1)
    for each in names.values():
        values.merge(each)
    # Events of several types may have a record each, under the name of the type.
    if vary and values.fields and counts.count(1) < len(counts) / 2:
        return None
    # A map's values have one type and are never null.
    has_one_type = len(values.types - {"integer"} if "number" in values.types else values.types) == 1
    return values if has_one_type and "null" not in values.counts else None
