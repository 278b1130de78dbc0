"""The environments of the layer. A test that needs Java says so when there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.integration.environment import Environment


@pytest.fixture(scope="session", autouse=True)
def _java() -> None:
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A running environment with six partitions and impatience with quiet topics."""
    extra = (("TANDEM_KAFKA__PARTITIONS", "6"), ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"))
    environment = Environment(tmp_path_factory.mktemp("running"), 29710, extra)
    try:
        environment.tandem("up", "--wait")
        yield environment
    finally:
        environment.tandem("down", "--volumes", code=None)


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment that nothing was started in yet."""
    environment = Environment(tmp_path_factory.mktemp("fresh"), 29720)
    try:
        yield environment
    finally:
        environment.tandem("down", "--volumes", code=None)
