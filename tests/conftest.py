"""Options of the layers that inject faults; `scripts/test` passes them on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


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
    config.addinivalue_line("markers", "by_name: runs only when its layer is named, not with all layers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = layers_named(config)
    left_out = [item for item in items if item.get_closest_marker("by_name") and layer_of(item.path) not in named]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if not config.getoption("--all"):
        for item in items:
            if any(not marker.args or profile_of(item) in marker.args for marker in item.iter_markers("on_demand")):
                item.add_marker(pytest.mark.skip(reason="not among the cases of CI: --all runs it"))


def layers_named(config: pytest.Config) -> set[str]:
    """Returns the layers that the command line names, by a folder, a file or a test in it."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return {layer_of(path) for path in paths} - {""}


def layer_of(path: Path) -> str:
    """Returns the folder of ``tests`` that a path is in, or is; the empty string outside of all."""
    path = path.resolve()
    return path.relative_to(TESTS).parts[0] if TESTS in path.parents else ""


def profile_of(item: pytest.Item) -> str | None:
    """Returns the profile that a test of the layers with an arena runs in."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("running") if callspec else None
