"""Secrets by reference: settings say where a secret is, and only who needs it reads it, where it is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")


class SecretError(Exception):
    """A secret is not where its reference says. Holds the reference, never the secret."""


def is_reference(text: str) -> bool:
    """Returns whether a text is ``env:VARIABLE`` or ``file:PATH``."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(reference: str) -> str:
    """Returns the secret itself; a line's end behind it in a file is not part of it.

    Raises:
        SecretError: it is not there, or empty.
    """
    kind, _, place = reference.partition(":")
    try:
        secret = os.environ.get(place, "") if kind == "env" else Path(place).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"the secret {reference} cannot be read: {type(error).__name__}") from None
    if not (secret := secret.rstrip("\r\n")):
        raise SecretError(f"the secret {reference} is empty")
    return secret
