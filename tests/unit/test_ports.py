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

FIRST = 29451


def settings(**mongo: int) -> Settings:
    ports = {"kafka": {"port": FIRST, "controller_port": FIRST + 1}, "ui": {"spark_port": FIRST + 3}}
    return load("embedded", {**ports, "mongo": {"port": FIRST + 2, **mongo}})


def test_free_ports() -> None:
    check_ports(ports(settings()))


def test_a_busy_port_is_named_with_its_holder_and_its_setting() -> None:
    busy = pytest.raises(EnvironmentNotReadyError, match=f"port {FIRST + 2} is busy")
    with socket.create_server(("127.0.0.1", FIRST + 2)), busy as caught:
        check_ports(ports(settings()))
    assert str(os.getpid()) in str(caught.value) or "not visible" in str(caught.value)
    assert "TANDEM_MONGO__PORT" in caught.value.hint


def test_a_busy_port_of_a_page_keeps_nothing_from_starting() -> None:
    pages = {"dashboard_port": FIRST + 4, "spark_port": FIRST + 3, "master_port": FIRST + 5}
    busy = load("embedded", {"ui": pages, "kafka": {"port": FIRST, "controller_port": FIRST + 1}})
    with ExitStack() as held:
        for port in pages.values():
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        check_ports({**ports(busy), "TANDEM_UI__MASTER_PORT": FIRST + 5})
        said = dashboard_trouble(FIRST + 4) or ""
        assert said.startswith(f"port {FIRST + 4} is busy: held by ")
        assert said.endswith("set TANDEM_UI__DASHBOARD_PORT to a free port")
        # Spark's pages take the next port that is nobody's.
        assert page_port(FIRST + 3, taken={FIRST + 6}) == FIRST + 7
    assert dashboard_trouble(FIRST + 4) is None
    assert page_port(FIRST + 3, taken=()) == FIRST + 3


def test_a_port_that_is_set_twice() -> None:
    with pytest.raises(UsageError, match=f"port {FIRST} is set twice"):
        check_ports(ports(settings(port=FIRST)))


def test_the_dev_container_shows_what_runs_inside() -> None:
    text = (Path(__file__).parents[2] / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    told = json.loads("\n".join(line for line in text.splitlines() if not line.strip().startswith("//")))
    found = load("embedded")
    ports = [found.kafka.port, found.mongo.port, found.ui.spark_port, found.ui.dashboard_port]
    assert told["forwardPorts"] == ports
    assert [int(port) for port in told["portsAttributes"]] == ports
