"""The environments of the layer. A test that needs Java says so when there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import Environment

# Always the same place, so that what an aborted test left running is found and ended by the next.
STATE = Path(__file__).parents[2] / ".tandem" / "tests"


@pytest.fixture(scope="session", autouse=True)
def _java() -> None:
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")


@pytest.fixture(scope="module")
def running() -> Iterator[Environment]:
    """A running environment with six partitions and impatience with quiet topics."""
    extra = (("TANDEM_KAFKA__PARTITIONS", "6"), ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"))
    environment = Environment(STATE / "running", 29710, extra)
    with environment.started():
        yield environment


@pytest.fixture
def fresh() -> Iterator[Environment]:
    """An environment that nothing was started in yet."""
    environment = Environment(STATE / "fresh", 29720)
    environment.tandem("down", "--volumes")
    try:
        yield environment
    finally:
        environment.tandem("down", "--volumes", code=None)
