"""Resolves references to variables, files and Google Secret Manager.

Settings hold references. The process that needs a secret reads it. It reads Secret Manager with its machine's identity,
using only the standard library.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from tandem.engine.declare.job_config import METADATA, SECRET_MANAGER

_Found = TypeVar("_Found")
_TIMEOUT_S = 10
# The pauses between attempts. A longer outage ends the driver, which is then restarted.
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
# The other statuses from 400 to 499 are refusals, which a later attempt meets again.
_PASSING = frozenset({408, 429})
_NO_IDENTITY = {404: "cannot be read: this machine has no service account of Google"}
_NO_RIGHT = (
    "may not be read by the job's service account; it needs the role Secret Manager Secret Accessor, and its machines "
    "the scope cloud-platform"
)
_REFUSALS = {
    400: "may not be read: its version is disabled or destroyed, or its name is invalid",
    401: _NO_RIGHT,
    403: _NO_RIGHT,
    404: "does not exist",
}
# A file system reports anything else if it does not answer now.
_NO_FILE = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+|gsm:projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")


class SecretError(Exception):
    """A reference leads to no secret. The error has the reference, never the secret."""


class SecretOutageError(SecretError):
    """A secret cannot be read now; a later attempt may succeed."""


@cache
def access(name: str, metadata: str = METADATA, secret_manager: str = SECRET_MANAGER) -> bytes:
    """Returns the content of a secret in Secret Manager; each process asks once.

    Args:
        name: ``projects/P/secrets/S`` for the latest version, or ``projects/P/secrets/S/versions/V``.
        metadata: the URL of the metadata server, which knows the machine's identity.
        secret_manager: the URL of Secret Manager.

    Raises:
        SecretError: the secret does not exist or may not be read.
        SecretOutageError: Google does not answer.
    """
    for pause in PAUSES_S:
        try:
            return _accessed(name, metadata, secret_manager)
        except SecretOutageError:
            time.sleep(pause)
    return _accessed(name, metadata, secret_manager)


def _accessed(name: str, metadata: str, secret_manager: str) -> bytes:
    identity = f"{metadata}/computeMetadata/v1/instance/service-accounts/default/token"
    token = _asked(name, identity, {"Metadata-Flavor": "Google"}, lambda found: found["access_token"], _NO_IDENTITY)
    version = quote(name if "/versions/" in name else f"{name}/versions/latest", safe="/:")
    return _asked(
        name,
        f"{secret_manager}/v1/{version}:access",
        {"Authorization": f"Bearer {token}"},
        lambda found: base64.b64decode(found["payload"]["data"]),
        _REFUSALS,
    )


def _asked(
    name: str, url: str, headers: dict[str, str], find: Callable[[Any], _Found], refusals: Mapping[int, str]
) -> _Found:
    """Returns a value in Google's answer.

    Args:
        name: the secret, for errors.
        url: the address.
        headers: those of the request.
        find: returns the value in the answer.
        refusals: the words for statuses; they follow the secret's name.
    """
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # of our own settings
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return find(json.load(answer))
    except urllib.error.HTTPError as error:
        error.close()
        if 400 <= error.code < 500 and error.code not in _PASSING:
            refusal = refusals.get(error.code, f"was refused with HTTP status {error.code} from {url}")
            raise SecretError(f"the secret gsm:{name} {refusal}") from None
        why = f"HTTP status {error.code}"
    except (OSError, HTTPException, LookupError, TypeError, ValueError) as error:
        # The last three are those of a broken answer.
        why = type(error).__name__
    raise SecretOutageError(f"the secret gsm:{name} cannot be read now: {why} from {url}")


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
        SecretError: the secret is missing, empty or no text, or may not be read.
        SecretOutageError: Google or the file system does not answer.
    """
    kind, _, place = reference.partition(":")
    try:
        if kind == "env":
            secret = os.environ.get(place, "")
        elif kind == "file":
            secret = Path(place).expanduser().read_text("utf-8")
        else:
            secret = access(place, metadata, manager).decode()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: ~USER, and there is no such user
        if isinstance(error, OSError) and error.errno not in _NO_FILE:
            raise SecretOutageError(f"the secret {reference} cannot be read now: {type(error).__name__}") from None
        raise SecretError(f"the secret {reference} cannot be read: {type(error).__name__}") from None
    if not (secret := secret.rstrip("\r\n")):
        raise SecretError(f"the secret {reference} is empty")
    return secret
