"""Checks that the job's secrets exist in Secret Manager."""

from __future__ import annotations

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.clients import Clients


def check_secret(clients: Clients, name: str) -> None:
    """Raises if a secret has no enabled newest version; reads no secret.

    Args:
        clients: Google's clients.
        name: the secret, as ``projects/P/secrets/S``, or one of its versions.

    Raises:
        EnvironmentNotReadyError: it does not exist, or its version is disabled or destroyed.
    """
    version = name if "/versions/" in name else f"{name}/versions/latest"
    found = call(
        f"looking for the secret {name}",
        lambda: clients.secrets.get_secret_version(name=version, retry=None),
        hint=f"`gcloud secrets create {name.split('/')[3]} --data-file=FILE`, or name another in ...job_password",
    )
    if found.state.name != "ENABLED":
        number, secret = found.name.rpartition("/")[2], name.split("/")[3]
        raise EnvironmentNotReadyError(
            f"the secret {name} cannot be read: its version {number} is {found.state.name}",
            hint=f"`gcloud secrets versions enable {number} --secret={secret}`, or add a version",
        )
