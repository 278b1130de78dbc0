"""The nemesis works in the arena of the single faults."""

from tests.faults.conftest import arena, pytest_terminal_summary, running

__all__ = ["arena", "pytest_terminal_summary", "running"]
