"""Restores maps that a registry returns as repeated entries.

A serializer registers a schema as a descriptor. Some registries write its maps as they are in there: a repeated field,
and a message with ``option map_entry``. Protobuf's compiler accepts this option in descriptors alone.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto

_OPTION = re.compile(r"(message\s+(\w+)\s*\{\s*)option\s+map_entry\s*=\s*true\s*;")


def without_option(text: str) -> tuple[str, frozenset[str]]:
    """Returns a schema without the option, and the names of the messages that had it.

    >>> without_option("message AEntry { option map_entry = true; string key = 1; }")
    ('message AEntry {  string key = 1; }', frozenset({'AEntry'}))
    """
    return _OPTION.sub(r"\1", text), frozenset(match[2] for match in _OPTION.finditer(text))


def restore(file: FileDescriptorProto, names: Container[str]) -> None:
    """Marks the entries of maps in a compiled schema.

    Args:
        file: the schema.
        names: the names of the messages that are entries.

    Raises:
        ValueError: one of them cannot be an entry.
    """
    for message in file.message_type:
        _restore(message, names)


def _restore(message: Any, names: Container[str]) -> None:
    for each in message.nested_type:
        _restore(each, names)
        if each.name in names:
            if [(field.number, field.name) for field in each.field] != [(1, "key"), (2, "value")]:
                raise ValueError(f"{each.name} is not an entry of a map")
            each.options.map_entry = True
