"""The containers with Podman's service instead of Docker's engine. The images must be among Podman's already."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tandem import __version__
from tandem.pipelines.orders_payments.streams import FACTS
from tandem.platforms.compose.podman import SYSTEMD
from tests import STATE
from tests.compose.conftest import Stack

pytestmark = pytest.mark.on_demand
PROJECT, FIRST_PORT = "tandem-tests-podman", 29_720
IMAGES = [f"tandem/{name}:{__version__}" for name in ("app", "spark", "kafka", "mongo")]


def podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)


def check_health(ended: threading.Event) -> None:
    """Runs the health checks, as the timers of systemd do where it runs."""
    own = f"label=com.docker.compose.project={PROJECT}"
    while not ended.wait(2):
        for container in podman("ps", "--quiet", "--filter", own).stdout.split():
            podman("healthcheck", "run", container)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yields the socket of Podman's service."""
    if shutil.which("podman") is None:
        pytest.skip("there is no podman on PATH")
    for image in IMAGES:
        if podman("image", "exists", image).returncode != 0:
            pytest.skip(f"Podman has no image {image}: docs/guides/podman.md says how to build it")
    socket = tmp_path_factory.mktemp("podman") / "podman.sock"
    ended = threading.Event()
    checks = threading.Thread(target=check_health, args=(ended,))
    with subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{socket}"]) as program:
        if not SYSTEMD.is_dir():
            checks.start()
        yield socket
        ended.set()
        if checks.ident is not None:
            checks.join()
        program.terminate()


@pytest.fixture(scope="module")
def stack(service: Path) -> Iterator[Stack]:
    extra = (("DOCKER_HOST", f"unix://{service}"), ("TANDEM_PROJECT", PROJECT), ("TANDEM_IMAGES", "built"))
    found = Stack(STATE / "podman", FIRST_PORT, extra, "local")
    found.wait("Podman's service", lambda: answers(found))
    found.tandem("down", "--volumes")
    try:
        yield found
    finally:
        found.tandem("down", "--volumes", code=None)


def answers(stack: Stack) -> bool:
    return subprocess.run(["docker", "info"], env=stack.variables, capture_output=True, check=False).returncode == 0


def test_an_image_that_compose_cannot_build_is_named(stack: Stack) -> None:
    lacking = replace(stack, extra=(*stack.extra, ("TANDEM_VERSION", "0.0.0")))
    told = lacking.tandem("up", code=3).stderr
    assert "0.0.0 is missing, and Compose cannot build it with Podman" in told
    assert "hint: build it: podman build --file " in told
    assert stack.compose("ps", "--all", "--quiet").stdout == ""


def test_every_record_is_accounted_for(stack: Stack) -> None:
    assert "every record is accounted for" in stack.tandem("run", "--count", "500", timeout=900).stdout
    stack.tandem("down", "--volumes")


def test_compose_starts_the_pipeline_and_a_killed_job_restarts(stack: Stack) -> None:
    stack.compose("up", "--detach", "--wait")
    with stack.database() as database:
        stack.wait("the first fact", lambda: database[FACTS.name].find_one())
    assert "Podman" in stack.tandem("doctor").stdout
    assert "batch committed" in stack.tandem("logs", "job").stdout
    before = pid_of_job()
    os.kill(before, signal.SIGKILL)
    stack.wait("another process of the job", lambda: pid_of_job() not in (0, before))
    stack.wait("a committed batch", lambda: json.loads(stack.tandem("status", "--json", code=None).stdout)["ready"])
    removed = stack.tandem("down", "--volumes").stderr
    assert f"{PROJECT}_kafka_built" in removed
    assert podman("volume", "ls", "--quiet", "--filter", f"name={PROJECT}").stdout == ""


def pid_of_job() -> int:
    """Returns the id of the job's first process on this machine; 0 if none runs."""
    return int(podman("inspect", "--format", "{{.State.Pid}}", f"{PROJECT}-job-1").stdout)
