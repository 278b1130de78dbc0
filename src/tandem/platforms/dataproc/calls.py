"""Calls Google's APIs with retries and turns their errors into messages."""

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
from tandem.platforms.dataproc.refusals import recognised

T = TypeVar("T")
# Each call may be made twice: it only reads, or an id or a condition makes the second call change nothing.
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
# The clients' message if a name has no address.
_NO_ADDRESS = re.compile(r"DNS resolution failed|errors resolving|[Nn]ame resolution")


def call(what: str, function: Callable[[], T], *, hint: str = "") -> T:
    """Returns the result of a call, after retries.

    Args:
        what: the action, as the text before "failed" in a message.
        function: makes the call; it may be called again.
        hint: what to do if the named resource does not exist.

    Raises:
        EnvironmentNotReadyError: a login, a permission, quota, a resource or the network is missing.
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
    except (exceptions.GoogleAPICallError, GoogleAuthError, NoConnectionError, Timeout) as error:
        raise _error_of(what, error, hint) from None


def _error_of(what: str, error: Exception, hint: str) -> TandemError:
    """Returns the error for a user, by what Google says, else by its kind."""
    failed = f"{what} failed: {_message(error)}"
    if refusal := recognised(str(error)):
        return EnvironmentNotReadyError(f"{what} failed: {refusal.reason}", hint=refusal.hint)
    if isinstance(error, _PASSING):
        if _NO_ADDRESS.search(str(error)):
            return EnvironmentNotReadyError(
                failed, hint="check that gcp.region is an existing region, and that this machine has a network"
            )
        late = f"{what} failed, also after {PATIENCE_S:.0f} s: {_message(error)}"
        return EnvironmentNotReadyError(late, hint="try again; completed steps are not repeated")
    match error:
        case exceptions.NotFound():
            return EnvironmentNotReadyError(failed, hint=hint or "docs/guides/gcp.md lists what must exist before")
        case exceptions.Forbidden():
            denied = f"{what} is not allowed: {_message(error)}"
            return EnvironmentNotReadyError(
                denied, hint="docs/guides/gcp.md lists the required roles; or correct gcp.project"
            )
        case exceptions.Unauthorized() | GoogleAuthError():
            unknown = f"{what} failed, Google does not accept the login: {_message(error)}"
            return EnvironmentNotReadyError(unknown, hint="`gcloud auth application-default login`")
        case exceptions.InvalidArgument():
            return TandemError(failed, hint="check the settings that begin with gcp. in `tandem config show`")
        case _:
            return TandemError(failed, hint="`tandem deploy --plan` prints the calls")


def _message(error: Exception) -> str:
    message = error.message if isinstance(error, exceptions.GoogleAPICallError) else str(error)
    return " ".join(message.split())[:300] or type(error).__name__
