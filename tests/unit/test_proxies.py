"""Proxies: what Java is told, and that nothing for this machine goes through one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
import requests

from tandem.artifacts.ivy import fetch_error, options_file
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign.inheritance import adapt_this_process, inherited
from tandem.foreign.proxies import for_java, on_this_machine

LOOPBACK = "localhost|127.*|[::1]"


class Refuses(BaseHTTPRequestHandler):
    """A proxy that refuses everything, and remembers what it was asked for."""

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")  # type: ignore[attr-defined]
        self.send_error(502)

    do_CONNECT = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for each in (name, name.upper()):
            # Also those that a test adds are gone afterwards.
            monkeypatch.setenv(each, "")
            monkeypatch.delenv(each)
    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_java_gets_the_proxies_and_the_direct_hosts(case: type[str]) -> None:
    environ = {
        case("http_proxy"): "http://proxy:3128",
        case("https_proxy"): "secure.proxy:8443",
        case("no_proxy"): ".corp, example.org ,*.test,10.0.0.0/8,172.30.0.0/15,192.168.1.7,internal:8080,::1,fe80::/10",
    }
    assert for_java(environ) == [
        "-Dhttp.proxyHost=proxy",
        "-Dhttp.proxyPort=3128",
        "-Dhttps.proxyHost=secure.proxy",
        "-Dhttps.proxyPort=8443",
        "-Dhttp.nonProxyHosts=corp|*.corp|example.org|*.example.org|test|*.test|10.*|172.30.*|172.31.*|192.168.1.7"
        "|internal|*.internal|[::1]|localhost|127.*",
    ]


@pytest.mark.parametrize(
    ("environ", "options"),
    [
        ({}, []),
        ({"NO_PROXY": "corp"}, []),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, ["-Dhttps.proxyHost=proxy", "-Dhttps.proxyPort=1", "*|"]),
        (
            {"ALL_PROXY": "socks5h://me:p%40ss@proxy:1"},
            [
                *("-DsocksProxyHost=proxy", "-DsocksProxyPort=1"),
                *("-Djava.net.socks.username=me", "-Djava.net.socks.password=p@ss", ""),
            ],
        ),
        ({"HTTPS_PROXY": " http://proxy:3128 "}, ["-Dhttps.proxyHost=proxy", "-Dhttps.proxyPort=3128", ""]),
        (
            {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "[fe80::2]:8080,[fe80::1],.,*.,:80,10.0.0.1:80"},
            ["-Dhttps.proxyHost=proxy", "-Dhttps.proxyPort=1", "[fe80::2]|[fe80::1]|10.0.0.1|"],
        ),
        ({"ALL_PROXY": "socks5://proxy"}, ["-DsocksProxyHost=proxy", "-DsocksProxyPort=1080", ""]),
        ({"HTTPS_PROXY": "http://proxy:1", "JAVA_TOOL_OPTIONS": "-Dhttps.proxyHost=javas.own"}, []),
        (
            {"HTTPS_PROXY": "http://proxy:1", "https_proxy": "http://lower:2"},
            ["-Dhttps.proxyHost=lower", "-Dhttps.proxyPort=2", ""],
        ),
    ],
)
def test_special_cases(environ: dict[str, str], options: list[str]) -> None:
    if options:
        options = [*options[:-1], f"-Dhttp.nonProxyHosts={options[-1]}{LOOPBACK}"]
    assert for_java(environ) == options


def test_a_login_is_passed_on_in_a_file_of_this_user_alone(tmp_path: Path) -> None:
    file = options_file(tmp_path, {"HTTPS_PROXY": 'http://me:p%40ss"\\w@proxy:3128'})
    assert file.stat().st_mode & 0o777 == 0o600
    lines = file.read_text().splitlines()
    assert '"-Dhttp.proxyUser=me"' in lines
    assert r'"-Dhttp.proxyPassword=p@ss\"\\w"' in lines
    assert '"-Djdk.http.auth.tunneling.disabledSchemes="' in lines


@pytest.mark.parametrize("text", ["http://:3128", "http://u:secret@proxy:none", "http://[secret:3128"])
def test_a_proxy_that_is_none_is_named_by_its_variable_alone(tmp_path: Path, text: str) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="HTTPS_PROXY") as caught:
        options_file(tmp_path, {"HTTPS_PROXY": text})
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            "Server access error: Unable to tunnel through proxy. Proxy returns HTTP/1.1 407",
            "needs a login: set HTTPS",
        ),
        ("java.net.UnknownHostException: proxy", "check that the proxy proxy:3128 of HTTPS_PROXY answers"),
        ("PKIX path building failed", "trustStore"),
    ],
)
def test_an_error_at_a_proxy_is_reported_without_its_login(line: str, hint: str) -> None:
    error = fetch_error([line], {"HTTPS_PROXY": "http://me:secret@proxy:3128"})
    assert hint in error.hint
    assert "secret" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("http://127.0.0.2:3128", True),
        ("[::1]:3128", True),
        ("localhost:3128", True),
        ("http://u:p@10.0.0.1:3128", False),
        ("http://[bad:3128", False),
        ("proxy", False),
    ],
)
def test_a_proxy_on_this_machine_is_known(text: str, here: bool) -> None:
    assert on_this_machine(text) is here


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_programs_get_proxies_in_both_cases_and_this_machine_as_direct(
    name: str, proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "corp")
    environment = inherited()
    assert environment["http_proxy"] == environment["HTTP_PROXY"] == "http://proxy:3128"
    assert environment["no_proxy"] == environment["NO_PROXY"] == "corp,localhost,127.0.0.1,::1"


def test_this_process_asks_this_machine_directly(proxy: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Google's clients ask the stand-ins: over requests and over gRPC."""
    address = f"http://127.0.0.1:{proxy.server_port}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy"):
        monkeypatch.setenv(name, address)
    adapt_this_process()
    assert requests.get(f"{address}/direct", timeout=5).status_code == 502
    with grpc.insecure_channel("localhost:1") as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=1)
    assert proxy.asked == ["GET /direct"]  # type: ignore[attr-defined]
    assert os.environ["no_proxy"] == "localhost,127.0.0.1,::1"
