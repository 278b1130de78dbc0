"""Reads the filters of Dataproc's lists: comparisons joined by AND.

Batches also allow OR in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import grpc

from tandem_rehearsal.grpc_service import refuse

_COMPARISON = re.compile(r'(?P<field>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>"[^"]*"|[^\s"()]+)')
_AND = re.compile(r"\s+AND\s+(?![^(]*\))")
_OR = re.compile(r"\s+OR\s+")


def matching(
    text: str,
    fields: Sequence[str],
    resource: Mapping[str, str],
    labels: Mapping[str, str],
    context: grpc.ServicerContext,
    *,
    alternatives: bool = False,
) -> bool:
    """Returns whether a resource matches a filter.

    Refuses a filter that Google would not accept.

    Args:
        text: the filter; empty for all resources.
        fields: the fields that the list's documentation names, except ``labels.KEY``.
        resource: the resource's values of these fields.
        labels: the resource's labels.
        context: of the call that lists.
        alternatives: whether the list's documentation allows OR.
    """

    def holds(comparison: str) -> bool:
        found = _COMPARISON.fullmatch(comparison)
        if found is None or not (found["field"] in fields or found["field"].startswith("labels.")):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Invalid list filter: '{text}'")
        field, value = found["field"], found["value"].strip('"')
        actual = labels.get(field.removeprefix("labels.")) if field.startswith("labels.") else resource[field]
        return actual is not None and value in ("*", actual)

    groups = _AND.split(text.strip()) if text.strip() else []
    # Every comparison is read, whether it decides or not.
    results = [[holds(each) for each in _comparisons(group, alternatives=alternatives)] for group in groups]
    return all(any(group) for group in results)


def _comparisons(group: str, *, alternatives: bool) -> list[str]:
    if alternatives and group.startswith("(") and group.endswith(")"):
        return _OR.split(group[1:-1])
    return [group]
