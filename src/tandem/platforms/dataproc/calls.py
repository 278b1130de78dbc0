"""Calls of Google: what is tried again, and what is told the user when it does not help."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError, TransportError
from requests.exceptions import ConnectionError as NoConnectionError
from requests.exceptions import Timeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from tandem.errors import EnvironmentNotReadyError, TandemError

T = TypeVar("T")
# Each call may be made twice: it reads, or it carries an id or a condition by which the second time changes nothing.
_PASSING = (
    exceptions.TooManyRequests,
    exceptions.InternalServerError,
    exceptions.BadGateway,
    exceptions.ServiceUnavailable,
    exceptions.GatewayTimeout,
    exceptions.Aborted,
    TransportError,
    NoConnectionError,
    Timeout,
)
PATIENCE_S = 60.0
# What the clients say where a name has no address; and of what Google says when an API was never enabled, its name.
_NO_ADDRESS = re.compile(r"DNS resolution failed|errors resolving|[Nn]ame resolution")
_DISABLED = re.compile(r"has not been used in project .{0,500}?apis/api/([a-z.]+)")


def call(what: str, function: Callable[[], T], *, hint: str = "") -> T:
    """Returns what a call of Google returns, after as many attempts as it takes.

    Args:
        what: what is done, as it reads before "failed".
        function: makes the call; it may be made again.
        hint: what to do when what is named is not there.

    Raises:
        EnvironmentNotReadyError: something is missing: a login, a permission, what is named, or the network.
        TandemError: Google refused for another reason.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(_PASSING),
        wait=wait_random_exponential(multiplier=0.2, max=8),
        stop=stop_after_delay(PATIENCE_S),
        reraise=True,
    )
    try:
        return retrying(function)
    except exceptions.NotFound as error:
        raise EnvironmentNotReadyError(
            f"{what} failed: {_said(error)}", hint=hint or "docs/gcp.md says what has to be there before"
        ) from None
    except (exceptions.Forbidden, exceptions.PermissionDenied) as error:
        if found := _DISABLED.search(str(error)):
            raise EnvironmentNotReadyError(
                f"{what} failed: the project does not use {found[1]} yet", hint=f"`gcloud services enable {found[1]}`"
            ) from None
        raise EnvironmentNotReadyError(
            f"{what} is not allowed: {_said(error)}", hint="docs/gcp.md lists the roles that are needed"
        ) from None
    except (exceptions.Unauthorized, GoogleAuthError) as error:
        raise EnvironmentNotReadyError(
            f"{what} failed, Google does not accept the login: {_said(error)}",
            hint="`gcloud auth application-default login`",
        ) from None
    except exceptions.InvalidArgument as error:
        raise TandemError(
            f"{what} failed: {_said(error)}", hint="look at what begins with gcp. in `tandem config show`"
        ) from None
    except _PASSING as error:
        if _NO_ADDRESS.search(str(error)):
            raise EnvironmentNotReadyError(
                f"{what} failed: {_said(error)}", hint="is there such a region as gcp.region says, and a network here?"
            ) from None
        raise EnvironmentNotReadyError(
            f"{what} failed, also after {PATIENCE_S:.0f} s: {_said(error)}",
            hint="try again; what has been done until now is not done twice",
        ) from None
    except exceptions.GoogleAPICallError as error:
        raise TandemError(f"{what} failed: {_said(error)}", hint="`tandem deploy --plan` prints the calls") from None


def _said(error: Exception) -> str:
    message = error.message if isinstance(error, exceptions.GoogleAPICallError) else str(error)
    return " ".join(message.split())[:300] or type(error).__name__
