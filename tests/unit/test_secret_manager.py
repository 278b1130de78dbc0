"""Google Secret Manager over a connection that breaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tandem.engine.spark import secrets
from tandem.engine.spark.secrets import SecretError, resolve


class Breaking(BaseHTTPRequestHandler):
    """Ends in the middle of each answer."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"{")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def breaking() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Breaking) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_truncated_answer_is_requested_again_and_then_reported(
    breaking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "PAUSES_S", (0.01, 0.01))
    with pytest.raises(SecretError, match="cannot be read: IncompleteRead"):
        resolve("gsm:projects/p/secrets/s", breaking)
    assert Breaking.asked == 3
