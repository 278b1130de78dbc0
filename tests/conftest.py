"""Options of the layers that inject faults; `scripts/test` passes them on."""

from __future__ import annotations

import os
import signal

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the fault cases that CI leaves out")
    parser.addoption("--minutes", type=float, default=5.0, help="how long the nemesis works")
    parser.addoption("--seed", type=int, default=1, help="another seed, other faults at other times")


def pytest_configure(config: pytest.Config) -> None:
    # What a shell starts in the background ignores Ctrl-C, and so would the programs that tests send it to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests start Java often and use it for seconds. Without its second compiler it starts in half the time.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    config.addinivalue_line("markers", "on_demand(*profiles): runs with --all only; given profiles, only there")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Who names the nemesis wants it on each backend.
    named = any("nemesis" in argument for argument in config.args)
    if not config.getoption("--all") and not named:
        for item in items:
            if any(not marker.args or profile_of(item) in marker.args for marker in item.iter_markers("on_demand")):
                item.add_marker(pytest.mark.skip(reason="not among the cases of CI: --all runs it"))


def profile_of(item: pytest.Item) -> str | None:
    """Returns the profile that a test of the layers with an arena runs in."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("running") if callspec else None
