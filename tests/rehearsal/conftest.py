"""The cloud's loop on this machine: everything is deployed, run and destroyed by the code that does so in the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import Environment

STATE = Path(__file__).parents[2] / ".tandem" / "tests"
PORT = 29920


def environment(name: str, first_port: int) -> Environment:
    extra = (("TANDEM_GCP__REHEARSAL_PORT", str(first_port + 6)),)
    return Environment(STATE / name, first_port, extra, profile="rehearsal")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Environment]:
    """An environment of its own, deployed."""
    with environment("rehearsal", PORT).started() as running:
        yield running
