"""Stands before Cloud Storage's server and does to its answers what Google's does on a bad day."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METHODS = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]
# The name of a folder's marker. The server behind this loses it, so that clients write it again and again.
MARKER = re.compile(rb'"name":\s*"[^"]*/"')
# Of one connection, not of the message.
OWN = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass
class StorageProxy:
    """Forwards every request, unless told otherwise.

    Attributes:
        port: where it listens.
        server_port: where the server does.
        statuses: what requests are refused with, in turn.
        refuse_each: every so manieth request is refused; 0 for none.
        delay_s: how much longer each answer takes.
        refused: how many were refused with each status.
        counted: how many requests for the checkpoint were forwarded, by what Google charges for.
    """

    port: int
    server_port: int
    statuses: tuple[int, ...] = ()
    refuse_each: int = 0
    delay_s: float = 0.0
    refused: dict[int, int] = field(default_factory=dict)
    delayed: int = 0
    counted: Counter[str] = field(default_factory=Counter)
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def misbehaving(self, *statuses: int, each: int = 0, delay_s: float = 0.0) -> Iterator[None]:
        """Refuses every so manieth request with one of the statuses, or delays all, until left.

        Unless every request is refused, parts of uploads are not.
        """
        self.statuses, self.refuse_each, self.delay_s, self.refused, self.delayed = statuses, each, delay_s, {}, 0
        try:
            yield
        finally:
            self.statuses, self.refuse_each, self.delay_s = (), 0, 0.0

    @contextmanager
    def serving(self) -> Iterator[StorageProxy]:
        """Yields it, listening."""
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=METHODS)])
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join()

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(self._forward, request, body)

    def _forward(self, request: Request, body: bytes) -> Response:
        if status := self._refusal(request):
            return Response(f'{{"error": {{"code": {status}, "message": "for this test"}}}}', status)
        if kind := _charged(request, body):
            with self._lock:
                self.counted[kind] += 1
        if self.delay_s:
            self.delayed += 1
            time.sleep(self.delay_s)  # what is tested
        headers = {name: value for name, value in request.headers.items() if name not in OWN}
        target = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=60)
        try:
            connection.request(request.method, target, body, {**headers, "Host": f"127.0.0.1:{self.port}"})
            answer = connection.getresponse()
            response = Response(answer.read(), answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OWN:
                    response.headers[name] = value
            if request.method == "HEAD" and (length := answer.getheader("Content-Length")):
                response.headers["content-length"] = length
            return response
        except OSError:
            return Response('{"error": {"code": 503, "message": "the server is away"}}', 503)
        finally:
            connection.close()

    def _refusal(self, request: Request) -> int | None:
        # A part of an upload that is refused is asked for again from where it was cut, which the server behind this
        # cannot do: it takes the question for an empty last part.
        if self.refuse_each > 1 and "upload_id" in request.query_params:
            return None
        with self._lock:
            self._seen += 1
            if not self.refuse_each or self._seen % self.refuse_each:
                return None
            status = self.statuses[self._seen // self.refuse_each % len(self.statuses)]
            self.refused[status] = self.refused.get(status, 0) + 1
            return status


def _charged(request: Request, body: bytes) -> str | None:
    """Returns what Google charges a request for the checkpoint as; None for nothing, or another object."""
    if re.search("driveroutput|/stop/", unquote(str(request.url)) + body[:600].decode(errors="replace")):
        return None
    if request.method == "GET":
        return "change" if request.url.path.endswith("/o") else "read"
    # A part belongs to an upload that was counted when it began. Deletions are free.
    return "change" if request.method == "POST" and not MARKER.search(body[:600]) else None
