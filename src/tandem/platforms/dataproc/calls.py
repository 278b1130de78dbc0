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
# The clients' message if a name has no address, and the API's name in Google's message if it is not enabled.
_NO_ADDRESS = re.compile(r"DNS resolution failed|errors resolving|[Nn]ame resolution")
_DISABLED = re.compile(r"has not been used in project .{0,500}?apis/api/([a-z.]+)")


def call(what: str, function: Callable[[], T], *, hint: str = "") -> T:
    """Returns the result of a call, after retries.

    Args:
        what: the action, as the text before "failed" in a message.
        function: makes the call; it may be called again.
        hint: what to do if the named resource does not exist.

    Raises:
        EnvironmentNotReadyError: a login, a permission, a resource or the network is missing.
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
            f"{what} failed: {_message(error)}", hint=hint or "docs/gcp.md lists what must exist before"
        ) from None
    except (exceptions.Forbidden, exceptions.PermissionDenied) as error:
        if match := _DISABLED.search(str(error)):
            raise EnvironmentNotReadyError(
                f"{what} failed: the project does not use {match[1]} yet", hint=f"`gcloud services enable {match[1]}`"
            ) from None
        raise EnvironmentNotReadyError(
            f"{what} is not allowed: {_message(error)}", hint="docs/gcp.md lists the required roles"
        ) from None
    except (exceptions.Unauthorized, GoogleAuthError) as error:
        raise EnvironmentNotReadyError(
            f"{what} failed, Google does not accept the login: {_message(error)}",
            hint="`gcloud auth application-default login`",
        ) from None
    except exceptions.InvalidArgument as error:
        raise TandemError(
            f"{what} failed: {_message(error)}", hint="check the settings that begin with gcp. in `tandem config show`"
        ) from None
    except _PASSING as error:
        if _NO_ADDRESS.search(str(error)):
            raise EnvironmentNotReadyError(
                f"{what} failed: {_message(error)}",
                hint="check that gcp.region is an existing region, and that this machine has a network",
            ) from None
        raise EnvironmentNotReadyError(
            f"{what} failed, also after {PATIENCE_S:.0f} s: {_message(error)}",
            hint="try again; completed steps are not repeated",
        ) from None
    except exceptions.GoogleAPICallError as error:
        raise TandemError(f"{what} failed: {_message(error)}", hint="`tandem deploy --plan` prints the calls") from None


def _message(error: Exception) -> str:
    message = error.message if isinstance(error, exceptions.GoogleAPICallError) else str(error)
    return " ".join(message.split())[:300] or type(error).__name__
