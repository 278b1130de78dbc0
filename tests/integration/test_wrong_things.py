"""What a user does wrong, or the machine does to them: one line, one hint, the right code, nothing left running."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.environment import Environment


def assert_one_line_and_a_hint(stderr: str) -> None:
    lines = [line for line in stderr.splitlines() if line]
    assert lines[-2].startswith("error: "), stderr
    assert lines[-1].startswith("hint: "), stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--no-such-flag"),
        ("run", "--mix", "bananas=1"),
        ("run", "--count", "0"),
        ("--profile", "nowhere", "up"),
        ("logs", "no-such-service"),
        ("logs", "--since", "yesterday"),
        ("--pipeline", "nothing", "up"),
        ("new", "9x"),
        ("new", "orders_payments"),
        ("dev", "nothing"),
        ("no-such-command",),
    ],
)
def test_a_wrong_command_line(unused: Environment, arguments: tuple[str, ...]) -> None:
    done = unused.tandem(*arguments, code=2)
    assert_one_line_and_a_hint(done.stderr)
    assert unused.processes() == []


def test_a_busy_port_is_named_with_its_setting(unused: Environment) -> None:
    with socket.create_server(("127.0.0.1", unused.first_port)):
        done = unused.tandem("run", code=3)
    assert_one_line_and_a_hint(done.stderr)
    assert str(unused.first_port) in done.stderr
    assert "TANDEM_KAFKA__PORT" in done.stderr
    assert unused.processes() == []


def test_no_java(unused: Environment, tmp_path: Path) -> None:
    without = replace(unused, extra=(("PATH", str(tmp_path)), ("JAVA_HOME", str(tmp_path))))
    done = without.tandem("run", code=3)
    assert_one_line_and_a_hint(done.stderr)
    assert "Java 17" in done.stderr
    assert unused.processes() == []


def test_a_cache_that_cannot_be_made(unused: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = replace(unused, extra=(("TANDEM_CACHE_DIR", str(tmp_path / "file" / "cache")),)).tandem("run", code=3)
    assert_one_line_and_a_hint(done.stderr)
    assert "TANDEM_CACHE_DIR" in done.stderr or "cache" in done.stderr
    assert unused.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_a_run_leaves_no_process(fresh: Environment, number: signal.Signals) -> None:
    with fresh.start("run") as running:
        fresh.wait("the first services", lambda: len(fresh.processes()) > 3, 60)
        os.kill(running.pid, number)
        output, _ = running.communicate(timeout=150)
    assert running.returncode == 130, output
    assert fresh.processes() == []


@pytest.mark.on_demand
def test_killed_services_come_back_and_nothing_is_lost(fresh: Environment) -> None:
    """Kafka and mongod are killed in mid-run; the run goes on when they are back, and verifies.

    It starts although the ports of its pages are busy.
    """
    spark, dashboard = fresh.first_port + 3, fresh.first_port + 5

    def ready() -> dict[str, Any] | None:
        status = fresh.status()
        return status if status["ready"] else None

    with socket.create_server(("127.0.0.1", dashboard)), socket.create_server(("127.0.0.1", spark)):
        running = fresh.start("run", "--count", "15000")
        status = fresh.wait("the job", ready, 200)
    with running:
        assert f"port {dashboard} is busy" in status["dashboard"]["problem"]
        assert status["job"]["url"] == f"http://127.0.0.1:{spark + 1}"
        for mark in ("kafka.Kafka", "mongod"):
            victims = [p for p in fresh.processes() if any(mark in word for word in p.cmdline()[-3:] + p.cmdline()[:1])]
            assert victims, [p.cmdline() for p in fresh.processes()]
            victims[0].kill()
        output, _ = running.communicate(timeout=400)
    assert running.returncode == 0, output
    assert "every record is accounted for" in output
    assert fresh.processes() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 700 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m", "tmpfs", disk], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system can be mounted by root only")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.on_demand
def test_a_full_disk_is_said_and_loses_nothing(small_disk: Path) -> None:
    environment = Environment(small_disk, 29730)
    fill = small_disk / "fill"
    try:
        fill.write_bytes(bytes(500 * 2**20))
        done = environment.tandem("up", code=3)
        assert_one_line_and_a_hint(done.stderr)
        assert "TANDEM_STATE_DIR" in done.stderr
        fill.unlink()
        environment.tandem("up", "--wait")
        fill.write_bytes(bytes(shutil.disk_usage(small_disk).free - 20 * 2**20))
        done = environment.tandem("run", "--count", "60000", code=1)
        assert_one_line_and_a_hint(done.stderr)
        assert "is full" in done.stderr
        # Between two attempts of what failed the disk may have a little room.
        environment.wait("the problem", lambda: "is full" in (environment.status()["problem"] or ""))
        fill.unlink()
        environment.tandem("down")
        environment.tandem("up", "--wait")
        assert "every record is accounted for" in environment.tandem("verify").stdout
    finally:
        environment.tandem("down", code=None)
