"""Serves the pages, their updates, key lookups and metrics. It only reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.dashboard.key_search import SearchRunningError
from tandem.dashboard.pages import Pages, UnknownPipelineError
from tandem.dashboard.prometheus import registry

_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    # The page loads and runs only what this server sends, whatever a record holds.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
# Other host names get no answer, so that another site cannot read records by DNS rebinding.
_HOSTS = ["127.0.0.1", "localhost"]
# These have counts and no records. A scraper may use any name for this server: `dashboard` in the containers' network,
# `host.docker.internal` from another container.
_FOR_ANY_HOST = ("/metrics", "/health")


def application(pages: Pages) -> FastAPI:
    """Returns the dashboard's web application; it watches while it runs.

    Every address takes ``?pipeline=NAME``; the default is the first pipeline.
    """
    measured = registry(lambda: [(page.state, page.declaration) for page in pages.all()])

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(pages.run())
        pages.telemetry.send_metrics(measured)
        yield
        following.cancel()
        await asyncio.to_thread(pages.telemetry.stop)

    app = FastAPI(title="Tandem", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(_TrustedHosts)
    app.add_middleware(_Headers)

    @app.exception_handler(UnknownPipelineError)
    async def unknown(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, status_code=404)

    @app.get("/")
    async def page(pipeline: str | None = None) -> FileResponse:
        pages.of(pipeline)
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/events")
    async def events(pipeline: str | None = None) -> EventSourceResponse:
        shown = pages.of(pipeline)

        async def stream() -> AsyncIterator[ServerSentEvent]:
            first = {"environment": shown.about(), **shown.past()}
            yield ServerSentEvent(json.dumps(first, separators=(",", ":")), event="hello", retry=1000)
            yield ServerSentEvent(json.dumps(shown.present(), separators=(",", ":")), event="update")
            async for update in shown.publisher.updates():
                yield ServerSentEvent(update, event="update")

        return EventSourceResponse(stream())

    @app.get("/api/search")
    def search(key: Annotated[str, Query(min_length=1, max_length=10_000)], pipeline: str | None = None) -> Response:
        try:
            return JSONResponse(pages.of(pipeline).key_search.of(key))
        except SearchRunningError:
            return JSONResponse({"detail": "another search runs; try again in a moment"}, status_code=503)

    @app.get("/api/now")
    def now(pipeline: str | None = None) -> JSONResponse:
        shown = pages.of(pipeline)
        return JSONResponse({"environment": shown.about(), **shown.present()})

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(measured), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


class _TrustedHosts:
    """Answers foreign host names only where no record is shown."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._checked = app, TrustedHostMiddleware(app, allowed_hosts=_HOSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope.get("path") in _FOR_ANY_HOST else self._checked
        await app(scope, receive, send)


class _Headers:
    """Adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                names = {name for name, _ in own}
                message["headers"] = [*(h for h in message["headers"] if h[0].lower() not in names), *own]
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
