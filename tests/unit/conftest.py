"""Ports for unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ports import free_ports


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with free_ports() as port:
        yield port


@pytest.fixture
def many_ports() -> Iterator[int]:
    """The first of ten ports at which nobody listens."""
    with free_ports(10) as first:
        yield first
