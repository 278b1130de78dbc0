"""The nemesis works in the arena of the single faults."""

from collections.abc import Iterator

import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import arena, arena_of, pytest_terminal_summary

__all__ = ["arena", "pytest_terminal_summary"]


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The environment; processes with a network between them."""
    with arena_of(request.param, behind_proxies=request.param == "embedded") as arena:
        yield arena
