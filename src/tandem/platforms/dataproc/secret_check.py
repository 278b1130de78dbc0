"""Checks that the job's secrets exist in Secret Manager."""

from __future__ import annotations

from operator import attrgetter

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.clients import Clients
from tandem.settings.model import Settings

JOB_PASSWORDS = ("kafka.job_password", "mongo.job_password")


def check_reference(settings: Settings, name: str) -> None:
    """Raises if the job would look for a secret on a machine that does not have it.

    Args:
        settings: the profile's settings.
        name: one of ``JOB_PASSWORDS``.

    Raises:
        UsageError: the password is not in Secret Manager.
    """
    reference = attrgetter(name)(settings)
    if not (reference or "").startswith("gsm:"):
        raise UsageError(
            f"{name} is {reference}, which is not on the cluster",
            hint="store it in Secret Manager and set gsm:projects/P/secrets/S",
        )


def check_secret(clients: Clients, name: str) -> None:
    """Raises if a secret has no enabled newest version; reads no secret.

    Args:
        clients: Google's clients.
        name: the secret, as ``projects/P/secrets/S``, or one of its versions.

    Raises:
        EnvironmentNotReadyError: it does not exist, or its version is disabled or destroyed.
    """
    _, project, _, secret, *_ = name.split("/")
    version = name if "/versions/" in name else f"{name}/versions/latest"
    found = call(
        f"looking for the secret {name}",
        lambda: clients.secrets.get_secret_version(name=version, retry=None),
        hint=f"`gcloud secrets create {secret} --data-file=FILE --project={project}`, or name another in "
        "...job_password",
    )
    if found.state.name != "ENABLED":
        number = found.name.rpartition("/")[2]
        raise EnvironmentNotReadyError(
            f"the secret {name} cannot be read: its version {number} is {found.state.name}",
            hint=f"`gcloud secrets versions enable {number} --secret={secret} --project={project}`, or add a version",
        )
