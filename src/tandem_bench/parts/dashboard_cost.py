"""The dashboard under load: the cost of an update and of many pages."""

from __future__ import annotations

import time
from statistics import median
from urllib.parse import urlsplit

import psutil

from tandem.errors import TandemError
from tandem.platforms.observe import dashboard_url
from tandem.settings.model import Settings
from tandem_bench.browser import Listeners, OpenPage, opened
from tandem_bench.consumption import memory_of
from tandem_bench.result import Figure, Part, Row, percentile
from tandem_bench.run_config import RunConfig
from tandem_bench.stand_in import StandIn
from tandem_bench.testbed import new_testbed

RATE = 5000.0
_PAGES = (1, 50)
_WARM_S = 20.0
_EVERY_S = 5.0
_SHOWN_S = 180


def measure(config: RunConfig) -> Part:
    """Returns the figures with one open page, and with many."""
    seconds = 30.0 if config.quick else 120.0
    values: dict[tuple[str, str], list[float]] = {}
    remarks: dict[str, str] = {}
    for number in range(config.rounds):
        for pages in _PAGES:
            config.say(f"dashboard, {pages} open, round {number + 1} of {config.rounds}")
            figures, remark = _of(config.settings, pages, seconds)
            name = "one page" if pages == 1 else f"{pages} pages"
            remarks[f"{name}: {next(iter(figures))[0]}"] = remark
            for (what, unit), value in figures.items():
                values.setdefault((f"{name}: {what}", unit), []).append(value)
    rows = [Row(name, unit, Figure(tuple(each)), remark=remarks.get(name, "")) for (name, unit), each in values.items()]
    settings = {"facts/s": int(RATE), "seconds": int(seconds), "rounds": config.rounds}
    return Part("dashboard", "The dashboard while facts are written", rows, settings)


def _of(settings: Settings, pages: int, seconds: float) -> tuple[dict[tuple[str, str], float], str]:
    url = dashboard_url(settings)
    address = urlsplit(url)
    with new_testbed(settings) as testbed, testbed.dashboard() as pid:
        server = psutil.Process(pid)
        with Listeners((str(address.hostname), int(address.port or 0)), pages - 1) as others, opened(url) as page:
            with StandIn(settings, RATE) as writer:
                page.wait(_WARM_S)
                page.updates()
                heap, facts, heard = page.heap(), writer.facts, others.heard()
                memory, began, used = [memory_of(server)], time.monotonic(), _seconds(server)
                while (lasted := time.monotonic() - began) < seconds:
                    page.wait(_EVERY_S)
                    memory.append(memory_of(server))
                cores = (_seconds(server) - used) / lasted
                updates = page.updates()
                heap_after, rate, heard = page.heap(), (writer.facts - facts) / lasted, others.heard() - heard
            writer.check()
            _shown(page, writer.facts)
    if not updates or (pages > 1 and heard < len(updates) / 2):
        raise TandemError("the pages got no updates", hint=f"look at {testbed.layout.log('dashboard')}")
    quarter = max(1, len(memory) // 4)
    figures = {
        ("an update, median", "ms"): median(updates),
        ("an update, 99th percentile", "ms"): percentile(updates, 0.99),
        ("the slowest update", "ms"): max(updates),
        ("the server", "cores"): cores,
        ("the server's memory, first quarter", "MiB"): median(memory[:quarter]) / 2**20,
        ("the server's memory, last quarter", "MiB"): median(memory[-quarter:]) / 2**20,
        ("the page's memory, first", "MiB"): heap,
        ("the page's memory, last", "MiB"): heap_after,
    }
    return figures, f"{len(updates)} updates, {rate:,.0f} facts/s; all {writer.facts:,} shown"


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _shown(page: OpenPage, facts: int) -> None:
    """Waits until the page shows the written facts."""
    deadline = time.monotonic() + _SHOWN_S
    while (shown := page.results()) != facts:
        if time.monotonic() > deadline:
            raise TandemError(f"{facts} facts were written, and the page shows {shown}", hint="look at its log")
        page.wait(0.5)
