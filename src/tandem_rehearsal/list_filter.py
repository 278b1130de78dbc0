"""Reads the filters of Dataproc's lists: comparisons joined by AND."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import grpc

from tandem_rehearsal.grpc_service import refuse

_COMPARISON = re.compile(r'(?P<field>[A-Za-z_][\w.-]*)\s*=\s*(?P<value>"[^"]*"|[^\s"]+)')
_AND = re.compile(r"\s+AND\s+")


def matching(
    text: str,
    fields: Sequence[str],
    resource: Mapping[str, str],
    labels: Mapping[str, str],
    context: grpc.ServicerContext,
) -> bool:
    """Returns whether a resource matches a filter; refuses a filter that Google would not accept.

    Args:
        text: the filter; empty for all resources.
        fields: the fields that the list's documentation names, except ``labels.KEY``.
        resource: the resource's values of these fields.
        labels: the resource's labels.
        context: of the call that lists.
    """
    for comparison in _AND.split(text.strip()) if text.strip() else ():
        found = _COMPARISON.fullmatch(comparison)
        if found is None or not (found["field"] in fields or found["field"].startswith("labels.")):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Invalid list filter: '{text}'")
        field, value = found["field"], found["value"].strip('"')
        actual = labels.get(field.removeprefix("labels.")) if field.startswith("labels.") else resource[field]
        if actual is None or value not in ("*", actual):
            return False
    return True
