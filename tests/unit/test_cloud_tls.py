"""What TLS refuses is told in a line, before anything is created: by the clients themselves, from a server of ours."""

from __future__ import annotations

import datetime
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.provision import check_kafka, check_mongo
from tandem.settings.load import load
from tandem.settings.model import Settings


@dataclass
class Server:
    """Listens with a certificate; it speaks no protocol, for nobody gets so far."""

    authority: Path
    port: int


@pytest.fixture(params=["expired", "of another authority"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    trusted, other = trustme.CA(), trustme.CA()
    trusted.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    expired = request.param == "expired"
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        trusted.issue_cert("127.0.0.1", not_before=yesterday - datetime.timedelta(days=30), not_after=yesterday)
        if expired
        else other.issue_cert("127.0.0.1")
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stopping = threading.Event()

        def serve() -> None:
            listening.settimeout(0.1)
            while not stopping.is_set():
                try:
                    connection, _ = listening.accept()
                    connection.settimeout(5)
                    with context.wrap_socket(connection, server_side=True):
                        pass
                except (TimeoutError, OSError):
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield Server(tmp_path / "ca.pem", listening.getsockname()[1])
        stopping.set()
        thread.join()


@pytest.fixture
def settings(server: Server, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SECRET", "hunter2")
    login = {"username": "somebody", "password": "env:SECRET", "ca": server.authority}
    return load(
        "gcp",
        {
            "kafka": {"bootstrap": f"127.0.0.1:{server.port}", **login},
            "mongo": {"uri": f"mongodb://127.0.0.1:{server.port}/?tls=true", **login},
        },
    )


def told(error: EnvironmentNotReadyError) -> str:
    assert "\n" not in str(error)
    assert "hunter2" not in str(error)
    assert "certificate" in error.hint
    return str(error)


def test_kafkas_certificate_is_reported(settings: Settings) -> None:
    at = f"Kafka at {settings.kafka.bootstrap} did not answer"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(EnvironmentNotReadyError, match=at) as refused:
            check_kafka(settings.kafka, patience_ms=1000)
        gc.collect()
    # Each attempt closes its connection.
    assert [str(each.message) for each in said] == []
    assert "certificate" in told(refused.value).lower()


def test_mongodbs_certificate_is_reported(settings: Settings) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="MongoDB did not answer") as refused:
        check_mongo(settings.mongo, patience_ms=500)
    assert "certificate" in told(refused.value).lower()
