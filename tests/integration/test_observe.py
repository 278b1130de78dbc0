"""A real Prometheus reads real programs: every target answers, every panel has data, and alerts fire and resolve."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest
from confluent_kafka import Producer

from tandem.pipelines.orders_payments.streams import ORDERS
from tests import STATE
from tests.environment import Environment
from tests.observed import CONFIG, RULES, alerts, ask, exported, exported_by, jobs, metrics_in, panels

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus on PATH (Debian: package prometheus)"
)

FIRST_PORT = 29860
PROMETHEUS, EXPORTER, PRODUCERS = FIRST_PORT + 6, FIRST_PORT + 7, FIRST_PORT + 8
# The names and ports of the containers' network.
HERE = {
    "dashboard:8080": f"127.0.0.1:{FIRST_PORT + 5}",
    "job:4040": f"127.0.0.1:{FIRST_PORT + 3}",
    "exporter:9470": f"127.0.0.1:{EXPORTER}",
    "127.0.0.1:9090": f"127.0.0.1:{PROMETHEUS}",
}


@dataclass(frozen=True)
class Watched:
    """A running environment and the Prometheus that reads it."""

    environment: Environment
    address: str
    producers: subprocess.Popen[bytes]

    def firing(self) -> set[str]:
        found = ask(self.address, "query", query='ALERTS{alertstate="firing"}')
        return {each["metric"]["alertname"] for each in found["result"]}

    def samples(self, expression: str) -> int:
        return len(ask(self.address, "query", query=expression.replace("$pipeline", "orders_payments"))["result"])


def local(folder: Path) -> Path:
    """Returns the configuration with this machine's ports, seconds instead of minutes, and a smaller lag."""
    config = CONFIG.read_text("utf-8")
    producers = re.search(r"    dns_sd_configs:\n(?: +- .*\n)+", config)
    assert producers is not None
    static = f'    static_configs:\n      - targets: ["127.0.0.1:{PRODUCERS}", "127.0.0.1:{PRODUCERS + 1}"]\n'
    config = config.replace(producers[0], static)
    config = config.replace("scrape_interval: 15s", "scrape_interval: 5s").replace("_interval: 15s", "_interval: 1s")
    for name, address in HERE.items():
        assert f'"{name}"' in config
        config = config.replace(f'"{name}"', f'"{address}"')
    rules = re.sub(r"^ +for: \d+m\n", "", RULES.read_text("utf-8"), flags=re.MULTILINE)
    rules = rules.replace("[10m]", "[30s]").replace("tandem_job_lag > 100000", "tandem_job_lag > 1000")
    (folder / "rules.yml").write_text(rules, "utf-8")
    (folder / "prometheus.yml").write_text(config, "utf-8")
    return folder / "prometheus.yml"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    environment = Environment(STATE / "observe", FIRST_PORT, (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),))
    with environment.started(), ExitStack() as running:
        folder = tmp_path_factory.mktemp("prometheus")
        address = f"127.0.0.1:{PROMETHEUS}"

        def start(*command: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(command, env=environment.variables)
            running.callback(process.wait)
            running.callback(process.terminate)
            return process

        start(sys.executable, "-m", "tandem.exporter", f"--listen=127.0.0.1:{EXPORTER}")
        producers = start(sys.executable, "-m", "tandem.producer", "--rate=20", f"--metrics=127.0.0.1:{PRODUCERS}")
        data = f"--storage.tsdb.path={folder / 'data'}"
        start("prometheus", f"--config.file={local(folder)}", data, f"--web.listen-address={address}")
        yield Watched(environment, f"http://{address}", producers)


def test_every_target_is_up(watched: Watched) -> None:
    def all_up() -> bool:
        try:
            targets = ask(watched.address, "targets")["activeTargets"]
        except URLError:
            return False
        return {each["labels"]["job"] for each in targets} == {*jobs(), "prometheus"} and all(
            each["health"] == "up" for each in targets
        )

    watched.environment.wait("all targets", all_up)


def test_every_metric_that_is_asked_for_is_exported(watched: Watched) -> None:
    asked = set().union(*(metrics_in(each) for each in _expressions()))

    def found() -> bool:
        return asked <= set().union(*exported_by(watched.address).values())

    watched.environment.wait("the metrics", found)
    # So tests/exported is what the programs export, too.
    now, then = exported_by(watched.address), exported()
    assert {name: names & asked for name, names in now.items()} == {name: names & asked for name, names in then.items()}


def test_every_panel_has_data(watched: Watched) -> None:
    def empty() -> list[str]:
        return [each for expressions in panels().values() for each in expressions if not watched.samples(each)]

    # No alert need fire; each other one has data after some scrapes.
    watched.environment.wait("data of all panels", lambda: set(empty()) <= {'ALERTS{alertstate="firing"}'})


@pytest.mark.by_name
def test_a_job_that_is_frozen_and_its_lag_are_reported_until_it_continues(watched: Watched) -> None:
    expected = {"TandemJobDown", "TandemTargetDown", "TandemLagGrows"}
    watched.environment.wait("a job that keeps up", lambda: not watched.firing() & expected)
    driver = psutil.Process(int(watched.environment.status()["job"]["pid_or_id"]))
    frozen = [driver, *driver.children(recursive=True)]
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    try:
        watched.environment.wait("the alerts", lambda: expected <= watched.firing())
    finally:
        for process in frozen:
            process.send_signal(signal.SIGCONT)
    watched.environment.wait("their end", lambda: not watched.firing() & expected)


def test_a_killed_driver_counts_as_another_start(watched: Watched) -> None:
    def starts() -> float:
        (found,) = ask(watched.address, "query", query="tandem_job_starts_total")["result"]
        return float(found["value"][1])

    before = starts()
    psutil.Process(int(watched.environment.status()["job"]["pid_or_id"])).kill()
    watched.environment.wait("the next driver", lambda: starts() == before + 1)


@pytest.mark.by_name
def test_dead_letters_are_reported_while_they_rise(watched: Watched) -> None:
    """Some of the producers' records are malformed."""
    watched.environment.wait("the alert", lambda: "TandemDeadLetters" in watched.firing())
    watched.producers.terminate()
    watched.environment.wait("its end", lambda: "TandemDeadLetters" not in watched.firing())
    foreign = Producer({"bootstrap.servers": watched.environment.bootstrap})
    foreign.produce(ORDERS.topic, b"{not json")
    assert foreign.flush(30) == 0
    watched.environment.wait("another alert", lambda: "TandemDeadLetters" in watched.firing())
    watched.environment.wait("its end", lambda: "TandemDeadLetters" not in watched.firing())


def _expressions() -> list[str]:
    return [*(alert.expression for alert in alerts()), *(each for panel in panels().values() for each in panel)]
