"""The nemesis works in the arena of the single faults."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.faults.arena import Arena
from tests.faults.conftest import Arenas, arena, arenas, pytest_terminal_summary

__all__ = ["arena", "arenas", "pytest_terminal_summary"]


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """The environment; processes with a network between them."""
    return partial(arenas.get, request.param, "nemesis", behind_proxies=request.param == "embedded")
