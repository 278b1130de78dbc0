"""Secrets by reference: settings say where a secret is, and only who needs it reads it, where it is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tandem.engine.declare.job_config import METADATA, SECRET_MANAGER
from tandem.engine.spark import secret_manager

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|gsm:projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")


class SecretError(Exception):
    """A secret is not where its reference says. Holds the reference, never the secret."""


def is_reference(text: str) -> bool:
    """Returns whether a text is ``env:VARIABLE``, ``file:PATH`` or ``gsm:projects/P/secrets/S[/versions/V]``."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(reference: str, metadata: str = METADATA, manager: str = SECRET_MANAGER) -> str:
    """Returns the secret itself; a line's end behind it is not part of it.

    Args:
        reference: where it is. ``gsm:`` can be resolved on Google's machines only.
        metadata: URL of the metadata server.
        manager: URL of Secret Manager.

    Raises:
        SecretError: it is not there, or empty.
    """
    kind, _, place = reference.partition(":")
    try:
        if kind == "env":
            secret = os.environ.get(place, "")
        elif kind == "file":
            secret = Path(place).expanduser().read_text("utf-8")
        else:
            secret = secret_manager.access(place, metadata, manager)
    except secret_manager.AccessError as error:
        raise SecretError(f"the secret {reference} {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"the secret {reference} cannot be read: {type(error).__name__}") from None
    if not (secret := secret.rstrip("\r\n")):
        raise SecretError(f"the secret {reference} is empty")
    return secret
