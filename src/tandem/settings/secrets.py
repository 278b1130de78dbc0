"""Secrets by reference: a setting says where a secret is, and only what needs the secret reads it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from tandem.errors import EnvironmentNotReadyError


def _checked(reference: str) -> str:
    if re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", reference) is None:
        # It may be the secret itself, so it is not repeated.
        raise ValueError("a secret is named by env:VARIABLE or file:PATH, and never written down itself")
    return reference


Reference = Annotated[str, AfterValidator(_checked)]


def resolve(reference: Reference) -> str:
    """Returns the secret itself; a line's end behind it in a file is not part of it.

    Raises:
        EnvironmentNotReadyError: it is not there, or empty.
    """
    kind, _, place = reference.partition(":")
    try:
        secret = os.environ.get(place, "") if kind == "env" else Path(place).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentNotReadyError(
            f"the secret {reference} cannot be read: {type(error).__name__}", hint="is the path right, and readable?"
        ) from None
    if not (secret := secret.rstrip("\r\n")):
        raise EnvironmentNotReadyError(f"the secret {reference} is empty", hint="set it, or name another place")
    return secret
