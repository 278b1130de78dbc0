"""The cloud's loop on this machine: everything is deployed, run and destroyed by the code that does so in the cloud."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator

import pytest

from tandem.settings.load import load
from tandem.settings.model import Settings
from tests import STATE
from tests.environment import Environment
from tests.rehearsal.storage_proxy import StorageProxy

PORT = 29920
PROXY_PORT = PORT + 9


@pytest.fixture(scope="session", autouse=True)
def _needs() -> None:
    if sys.platform != "linux":
        pytest.skip("the rehearsal's Cloud Storage is a program for Linux")
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the rehearsal needs Java 17 or newer")


def environment(name: str, first_port: int, *more: tuple[str, str]) -> Environment:
    extra = (("TANDEM_GCP__REHEARSAL_PORT", str(first_port + 6)), *more)
    return Environment(STATE / name, first_port, extra, profile="rehearsal")


def settings_of(running: Environment) -> Settings:
    ports = {"kafka": {"port": running.first_port}, "mongo": {"port": running.first_port + 2}}
    gcp = {"rehearsal_port": running.first_port + 6}
    return load("rehearsal", {**ports, "gcp": gcp, "state_dir": running.home})


def verified(running: Environment) -> None:
    report = json.loads(running.tandem("verify", "--wait", "300", "--json").stdout)
    assert report["ok"], report


@pytest.fixture(scope="package")
def storage() -> Iterator[StorageProxy]:
    """What stands before Cloud Storage."""
    with StorageProxy(PROXY_PORT, PORT + 7).serving() as proxy:
        yield proxy


@pytest.fixture(scope="package")
def deployed(storage: StorageProxy) -> Iterator[Environment]:
    """An environment of its own, deployed. A deployment takes a minute, so all tests have the same one."""
    url = ("TANDEM_GCP__STORAGE_URL", f"http://127.0.0.1:{storage.port}")
    with environment("rehearsal", PORT, url).started() as running:
        yield running
