"""What is decided for Podman's service and for engines that a user runs, without either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms import default_profile
from tandem.platforms.compose import mounts, podman
from tandem.platforms.compose.engine import Engine, check_builder, find_engine
from tandem.platforms.compose.mounts import check_mounts
from tandem.platforms.compose.podman import check_podman
from tests import ROOT

PODMAN, DOCKER = "Podman Engine", "Engine"
APP = "tandem/app:0.1.0"
BUILT = {"setup": {"image": APP, "build": {"context": "/a b", "dockerfile": "images/Dockerfile", "target": "app"}}}
Answering = Callable[..., Engine]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Returns a function that puts a program on PATH, which answers as Docker's does, and finds the engine."""
    program = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)

    def find(component: str, host: str = "unix:///run/x.sock", options: tuple[str, ...] = ()) -> Engine:
        info = json.dumps({"ServerVersion": "4.3.1", "SecurityOptions": options or None})
        program.write_text(
            f"""#!/bin/bash
            case "$1" in
            context) echo {host};;
            info) echo '{info}';;
            version) echo '{{"Components": [{{"Name": "{component}"}}]}}';;
            compose) echo 2.26.1;;
            esac"""
        )
        program.chmod(0o755)
        return find_engine()

    return find


@pytest.mark.parametrize(("component", "podman"), [(PODMAN, True), (DOCKER, False)])
def test_podmans_service_is_recognised(component: str, podman: bool, answering: Answering) -> None:
    assert answering(component).podman is podman


def test_podman_is_used_only_by_choice(answering: Answering) -> None:
    answering(PODMAN)
    assert default_profile() == ("embedded", "Podman answers, not Docker; `--profile local` uses it")
    answering(DOCKER)
    assert default_profile() == ("local", "a Docker engine answers")


def test_podmans_own_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker"
    program.write_text("""#!/bin/bash\n[ "$1" = info ] && echo '{"host": {}, "store": {}}' || exit 125""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EnvironmentNotReadyError, match="`docker` is Podman's own program here") as refused:
        find_engine()
    assert "DOCKER_HOST" in refused.value.hint
    assert (ROOT / refused.value.hint.partition("(")[2].partition(")")[0]).is_file()


@pytest.mark.parametrize("component", [PODMAN, DOCKER])
def test_an_engine_that_a_user_runs_is_recognised(component: str, answering: Answering) -> None:
    assert answering(component, options=("name=seccomp,profile=default", "name=rootless")).rootless
    assert not answering(component, options=("name=seccomp,profile=default",)).rootless
    assert not answering(component).rootless


def test_podman_is_a_users_if_its_socket_is(answering: Answering, tmp_path: Path) -> None:
    """Podman 4.3 does not name it among its security options."""
    socket = tmp_path / "podman.sock"
    socket.touch()
    if os.geteuid() == 0:
        os.chown(socket, 1000, 1000)
    assert answering(PODMAN, f"unix://{socket}").rootless
    # Root's, one that is not there, one that is no file, and one of Docker Desktop's, which shows files as their own.
    assert not answering(PODMAN, "unix:///etc/passwd").rootless
    assert not answering(PODMAN, f"unix://{tmp_path}/none.sock").rootless
    assert not answering(PODMAN, f"tcp://127.0.0.1:1/{socket}").rootless
    assert not answering(DOCKER, f"unix://{socket}").rootless


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Docker shows every file as the container's own")
def test_users_in_a_users_containers_own_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines").chmod(0o755)
    profiles = tmp_path / "tandem.toml"
    profiles.touch(0o600)
    monkeypatch.setattr(mounts, "fragments", lambda project: project)
    monkeypatch.setattr(mounts, "_PIPELINES_READER", os.getuid())
    check_mounts(tmp_path, tmp_path / "pipelines", profiles)
    with pytest.raises(EnvironmentNotReadyError, match=r"tandem\.toml is not readable"):
        check_mounts(tmp_path, tmp_path / "pipelines", profiles, rootless=True)
    profiles.chmod(0o604)
    check_mounts(tmp_path, tmp_path / "pipelines", profiles, rootless=True)


def test_an_image_that_compose_would_build_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "SYSTEMD", Path("/"))
    asked: list[str] = []

    def has_image(name: str, *, there: bool) -> bool:
        asked.append(name)
        return there

    services = {"kafka": {"image": "apache/kafka:4.1.2"}, **BUILT}
    check_podman(services, lambda name: has_image(name, there=True))
    with pytest.raises(EnvironmentNotReadyError, match=f"the image {APP} is missing") as missing:
        check_podman(services, lambda name: has_image(name, there=False))
    # Compose pulls the others.
    assert asked == [APP, APP]
    command = f"podman build --file '/a b/images/Dockerfile' --target app --tag {APP} '/a b'"
    assert missing.value.hint == f"build it: {command}"
    assert check_builder(Engine("", 0, "2.40", podman=True)) == "not needed: Podman builds the images itself"


@pytest.mark.parametrize(
    ("platform", "runs", "warned"), [("linux", False, 1), ("linux", True, 0), ("darwin", False, 0)]
)
def test_without_systemd_health_checks_are_warned_about(
    platform: str, runs: bool, warned: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podman, "SYSTEMD", tmp_path if runs else tmp_path / "none")
    monkeypatch.setattr("sys.platform", platform)
    with capture_logs() as logs:
        check_podman({}, lambda _: True)
    assert [line["event"].startswith("Podman runs health checks with systemd") for line in logs] == [True] * warned


@pytest.fixture
def page() -> Iterator[int]:
    """Yields the port of a page with white space."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'{{\n  "status" : "ALIVE",\r\n  "path": "{self.path}"\n}}'.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("/json/", '"status":"ALIVE"', 0),
        ("/json/", '"path":"/json/"}', 0),
        ("/other", '"path":"/json/"}', 1),
        ("/json/", '"status":"STANDBY"', 1),
        # A pattern would match this.
        ("/json/", '"status":"AL.VE"', 1),
    ],
)
def test_a_health_check_compares_without_white_space(path: str, text: str, code: int, page: int) -> None:
    script = ROOT / "compose" / "spark" / "http.sh"
    done = subprocess.run(["bash", script, str(page), path, text, "127.0.0.1"], capture_output=True, check=False)
    assert done.returncode == code, done.stderr
