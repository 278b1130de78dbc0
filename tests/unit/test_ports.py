import json
import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.local_services.prepare import ports
from tandem.platforms.ports import check_ports, dashboard_trouble, page_port
from tandem.settings.load import load
from tandem.settings.model import Settings


def settings(first: int, **mongo: int) -> Settings:
    ports = {"kafka": {"port": first, "controller_port": first + 1}, "ui": {"spark_port": first + 3}}
    return load("embedded", {**ports, "mongo": {"port": first + 2, **mongo}})


def test_free_ports(many_ports: int) -> None:
    check_ports(ports(settings(many_ports)))


def test_a_busy_port_is_named_with_its_holder_and_its_setting(many_ports: int) -> None:
    busy = pytest.raises(EnvironmentNotReadyError, match=f"port {many_ports + 2} is busy")
    with socket.create_server(("127.0.0.1", many_ports + 2)), busy as caught:
        check_ports(ports(settings(many_ports)))
    assert str(os.getpid()) in str(caught.value) or "not visible" in str(caught.value)
    assert "TANDEM_MONGO__PORT" in caught.value.hint


def test_a_busy_port_of_a_page_keeps_nothing_from_starting(many_ports: int) -> None:
    first = many_ports
    pages = {"dashboard_port": first + 4, "spark_port": first + 3, "master_port": first + 5}
    busy = load("embedded", {"ui": pages, "kafka": {"port": first, "controller_port": first + 1}})
    with ExitStack() as held:
        for port in pages.values():
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        check_ports({**ports(busy), "TANDEM_UI__MASTER_PORT": first + 5})
        said = dashboard_trouble(first + 4) or ""
        assert said.startswith(f"port {first + 4} is busy: held by ")
        assert said.endswith("set TANDEM_UI__DASHBOARD_PORT to a free port")
        # Spark's pages take the next port that is nobody's.
        assert page_port(first + 3, taken={first + 6}) == first + 7
    assert dashboard_trouble(first + 4) is None
    assert page_port(first + 3, taken=()) == first + 3


@pytest.mark.parametrize(
    ("wanted", "busy", "found"),
    [
        (65_535, {65_535}, 65_436),
        (65_500, set(range(65_500, 65_536)), 65_436),
        (65_436, {65_436}, 65_437),
        (65_535, set(range(65_436, 65_536)), 65_535),
        (65_435, {65_435}, 65_436),
    ],
)
def test_a_busy_page_at_the_end_of_all_ports_takes_another(
    wanted: int, busy: set[int], found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(port: int) -> OSError | None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0)) if port <= 65_535 else probe.bind(("127.0.0.1", port))
        return OSError() if port in busy else None

    monkeypatch.setattr("tandem.platforms.ports.refusal", refusal)
    assert page_port(wanted, taken=()) == found


def test_a_port_that_is_set_twice(many_ports: int) -> None:
    with pytest.raises(UsageError, match=f"port {many_ports} is set twice"):
        check_ports(ports(settings(many_ports, port=many_ports)))


def test_the_dev_container_shows_what_runs_inside() -> None:
    text = (Path(__file__).parents[2] / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    told = json.loads("\n".join(line for line in text.splitlines() if not line.strip().startswith("//")))
    found = load("embedded")
    ports = [found.kafka.port, found.mongo.port, found.ui.spark_port, found.ui.dashboard_port]
    assert told["forwardPorts"] == ports
    assert [int(port) for port in told["portsAttributes"]] == ports
