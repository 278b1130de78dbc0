"""Options of the layers that inject faults; `scripts/test` passes them on."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the fault cases that CI leaves out")
    parser.addoption("--minutes", type=float, default=5.0, help="how long the nemesis works")
    parser.addoption("--seed", type=int, default=1, help="another seed, other faults at other times")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_demand: a fault case that runs with --all only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        for item in items:
            if item.get_closest_marker("on_demand"):
                item.add_marker(pytest.mark.skip(reason="not among the cases of CI: --all runs it"))
