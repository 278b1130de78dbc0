"""The jars come through the proxy that the environment names, with its login. The proxy here lets nothing pass."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tandem.artifacts.ivy import fetch
from tandem.errors import EnvironmentNotReadyError

PACKAGE = "org.example:nothing:1.0"
LOGIN = "Basic " + base64.b64encode(b"me:p@ss").decode()


class AsksForALogin(BaseHTTPRequestHandler):
    """Answers 407, and then that what is wanted is not there."""

    def do_CONNECT(self) -> None:
        given = self.headers.get("Proxy-Authorization")
        self.server.asked.append((self.path, given))  # type: ignore[attr-defined]
        self.send_response(502 if given else 407)
        self.send_header("Proxy-Authenticate", 'Basic realm="here"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str | None]]]:
    """What the proxy was asked for, with which login."""
    with ThreadingHTTPServer(("127.0.0.1", 0), AsksForALogin) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        # Java, too, would be told by its own.
        monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+UseG1GC -XX:+UseParallelGC")
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{server.server_port}")
        yield server.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_jars_are_asked_for_through_the_proxy(asked: list[tuple[str, str | None]], tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError) as caught:
        fetch([PACKAGE], java="java", into=tmp_path, pattern="[artifact].[ext]", transitive=False)
    assert {host.partition(":")[2] for host, _ in asked} == {"443"}
    assert LOGIN in {login for _, login in asked}
    assert "p@ss" not in f"{caught.value} {caught.value.hint}"


def test_a_proxy_that_wants_a_login_says_so(
    asked: list[tuple[str, str | None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", os.environ["HTTPS_PROXY"].replace("me:p%40ss@", ""))
    with pytest.raises(EnvironmentNotReadyError) as caught:
        fetch([PACKAGE], java="java", into=tmp_path, pattern="[artifact].[ext]", transitive=False)
    assert {login for _, login in asked} == {None}
    assert "needs a login" in caught.value.hint
