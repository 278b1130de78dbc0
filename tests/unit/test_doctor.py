"""What the doctor says of what does not run, on the real machine; and of what is wrong."""

from __future__ import annotations

import socket
from pathlib import Path

from tandem.platforms.doctor import Finding, examine
from tandem.settings.load import load
from tandem.settings.model import Settings

FIRST = 29461


def settings(state: Path, cache: Path, port: int = FIRST) -> Settings:
    ports = {"kafka": {"port": port, "controller_port": port + 1}, "mongo": {"port": port + 2}}
    ui = {"spark_port": port + 3, "dashboard_port": port + 4}
    return load("embedded", {**ports, "ui": ui, "state_dir": state, "cache_dir": cache})


def found(settings: Settings, *, running: bool = False) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings, running=running)}


def test_what_makes_no_sense_at_present_is_skipped(tmp_path: Path) -> None:
    findings = found(settings(tmp_path, tmp_path))
    assert (findings["Kafka"].state, findings["Kafka"].value) == ("skipped", "nothing runs")
    assert findings["MongoDB"].state == "skipped"
    assert findings["jars"].state == "skipped"
    assert findings["ports"].state == "good"


def test_a_busy_port_is_named_with_its_holder_and_its_variable(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", FIRST + 14))
        other.listen()
        ports = found(settings(tmp_path, tmp_path, FIRST + 10))["ports"]
    assert ports.state == "bad"
    assert f"{FIRST + 14} is held by process" in ports.value
    assert "TANDEM_UI__DASHBOARD_PORT" in (ports.fix or "")


def test_a_service_that_does_not_answer_is_bad_and_the_others_are_still_checked(tmp_path: Path) -> None:
    findings = found(settings(tmp_path, tmp_path, FIRST + 20), running=True)
    for check in ("Kafka", "Kafka's clock", "MongoDB", "MongoDB's clock"):
        assert findings[check].state == "bad"
        assert "not answer" in findings[check].value
        assert findings[check].fix
    assert findings["disk"].state in ("good", "bad")
