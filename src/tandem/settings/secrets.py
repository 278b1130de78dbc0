"""Secrets in settings: references that are checked when settings are loaded and resolved when a client is made."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from tandem.engine.spark import secrets
from tandem.errors import EnvironmentNotReadyError


def _checked(reference: str) -> str:
    if not secrets.is_reference(reference):
        # It may be the secret itself, so it is not repeated.
        raise ValueError(
            "a secret is named by env:VARIABLE, file:PATH or gsm:projects/P/secrets/S, and never written down itself"
        )
    return reference


Reference = Annotated[str, AfterValidator(_checked)]


def resolve(reference: Reference) -> str:
    """Returns the secret itself; see ``engine.spark.secrets.resolve``, which the job uses where it runs.

    Raises:
        EnvironmentNotReadyError: it is not there, or empty, or of Secret Manager, which is for the job only.
    """
    if reference.startswith("gsm:"):
        raise EnvironmentNotReadyError(
            f"the secret {reference} is for the job; nothing on this machine reads Secret Manager",
            hint="name it in kafka.job_password or mongo.job_password, and in ...password a place on this machine",
        )
    try:
        return secrets.resolve(reference)
    except secrets.SecretError as error:
        raise EnvironmentNotReadyError(str(error), hint="set it, or name another place") from None
