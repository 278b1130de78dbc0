"""Resolves references to secrets: environment variables, files, and Google Secret Manager.

Settings hold references. The process that needs a secret reads it, from Secret Manager with its machine's identity and
by the standard library alone.
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
# Between attempts, in seconds. Longer outages end the driver, which is started again.
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|gsm:projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")


class AccessError(Exception):
    """A secret cannot be had. Its message is what follows the secret's name."""


@cache
def access(name: str, metadata: str = METADATA, secret_manager: str = SECRET_MANAGER) -> str:
    """Returns a secret's payload, which is UTF-8 text; asked for once in a process.

    Args:
        name: ``projects/P/secrets/S``, of which the latest version is meant, or ``projects/P/secrets/S/versions/V``.
        metadata: URL of the machine's metadata server, which says who the machine is.
        secret_manager: URL of Secret Manager.

    Raises:
        AccessError: it is not there, may not be read, or Google does not answer.
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
    """To ask again may help."""


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
            secret = access(place, metadata, manager)
    except AccessError as error:
        raise SecretError(f"the secret {reference} {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"the secret {reference} cannot be read: {type(error).__name__}") from None
    if not (secret := secret.rstrip("\r\n")):
        raise SecretError(f"the secret {reference} is empty")
    return secret
