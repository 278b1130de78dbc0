"""Resolves references to variables, files and Google Secret Manager.

Settings hold references. The process that needs a secret reads it. It reads Secret Manager with its machine's identity,
using only the standard library.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
import urllib.error
import urllib.request
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tandem.engine.declare.job_config import METADATA, SECRET_MANAGER

_TIMEOUT_S = 10
# The pauses between attempts. A longer outage ends the driver, which is then restarted.
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|gsm:projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")


class AccessError(Exception):
    """A secret cannot be read. The message follows the secret's name."""


@cache
def access(name: str, metadata: str = METADATA, secret_manager: str = SECRET_MANAGER) -> str:
    """Returns the text of a secret in Secret Manager; each process asks once.

    Args:
        name: ``projects/P/secrets/S`` for the latest version, or ``projects/P/secrets/S/versions/V``.
        metadata: the URL of the metadata server, which knows the machine's identity.
        secret_manager: the URL of Secret Manager.

    Raises:
        AccessError: the secret does not exist or may not be read, or Google does not answer.
    """
    token = _get(
        f"{metadata}/computeMetadata/v1/instance/service-accounts/default/token", {"Metadata-Flavor": "Google"}
    )
    version = name if "/versions/" in name else f"{name}/versions/latest"
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = _get(f"{secret_manager}/v1/{version}:access", headers)
    return base64.b64decode(answer["payload"]["data"]).decode()


def _get(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # of our own settings
    for pause in PAUSES_S:
        try:
            return _get_once(request)
        except _Passing:
            time.sleep(pause)
    try:
        return _get_once(request)
    except _Passing as error:
        raise AccessError(f"cannot be read: {error} from {url}") from None


class _Passing(Exception):
    """An error that a retry may resolve."""


def _get_once(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _PASSING:
            raise _Passing(f"HTTP status {error.code}") from None
        if error.code == 404:
            raise AccessError("does not exist") from None
        if error.code in (401, 403):
            raise AccessError(
                "may not be read by the job's service account; it needs the role Secret Manager Secret Accessor, and "
                "its machines the scope cloud-platform"
            ) from None
        if error.code == 400:
            raise AccessError("may not be read: its version is disabled or destroyed") from None
        raise AccessError(f"was refused with HTTP status {error.code}") from None
    except (OSError, ValueError, HTTPException) as error:
        raise _Passing(type(error).__name__) from None


class SecretError(Exception):
    """A reference leads to no secret. The error has the reference, never the secret."""


def is_reference(text: str) -> bool:
    """Returns whether a text is a reference: ``env:VARIABLE``, ``file:PATH`` or ``gsm:NAME``."""
    return REFERENCE.fullmatch(text) is not None


def resolve(reference: str, metadata: str = METADATA, manager: str = SECRET_MANAGER) -> str:
    """Returns the secret itself, without a trailing line break.

    Args:
        reference: the reference. ``gsm:`` can be resolved on Google's machines only.
        metadata: the URL of the metadata server.
        manager: the URL of Secret Manager.

    Raises:
        SecretError: the secret is missing or empty.
    """
    kind, _, place = reference.partition(":")
    try:
        if kind == "env":
            secret = os.environ.get(place, "")
        elif kind == "file":
            secret = Path(place).expanduser().read_text("utf-8")
        else:
            secret = access(place, metadata, manager)
    except AccessError as error:
        raise SecretError(f"the secret {reference} {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"the secret {reference} cannot be read: {type(error).__name__}") from None
    if not (secret := secret.rstrip("\r\n")):
        raise SecretError(f"the secret {reference} is empty")
    return secret
