"""The web server: one page, its updates, the story of a key, metrics. It reads and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem.dashboard.accountant import Accountant
from tandem.dashboard.connect import database
from tandem.dashboard.declaration import declared
from tandem.dashboard.job_watch import JobWatch
from tandem.dashboard.metrics import registry
from tandem.dashboard.mongo_watch import MongoWatch
from tandem.dashboard.publisher import Publisher
from tandem.dashboard.result_watch import ResultWatch
from tandem.dashboard.snapshot import environment, history, snapshot
from tandem.dashboard.state import State
from tandem.dashboard.story import Busy, Stories
from tandem.dashboard.topic_watch import TopicWatch
from tandem.settings.model import Settings

_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    # Nothing but what this server sends is run or loaded, whatever stands in a record.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
# A page of another site whose name was made to point here is not answered.
_HOSTS = ["127.0.0.1", "localhost"]
_PING_MS = 2_000
_WATCH_MS = 4_000
_COUNT_MS = 120_000


def application(settings: Settings) -> FastAPI:
    """Returns the server of a profile's dashboard; it watches from its start to its end.

    Raises:
        UsageError: the pipeline is not there, or has nothing to show.
    """
    declaration, state = declared(settings.place), State()
    live = database(settings.mongo, answer_within_ms=_WATCH_MS)
    brief = database(settings.mongo, answer_within_ms=_PING_MS)
    patient = database(settings.mongo, answer_within_ms=_COUNT_MS)
    watchers = (
        MongoWatch(brief, state),
        JobWatch(live, declaration.name, state),
        ResultWatch(live, declaration.view, state),
        TopicWatch(settings.kafka, declaration, state),
        Accountant(patient, declaration, state),
    )
    publisher = Publisher(state, lambda: snapshot(state, declaration))
    stories = Stories(settings, live, declaration, state)
    measured = registry(state, declaration)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for watcher in watchers:
            watcher.start()
        publishing = asyncio.create_task(publisher.run())
        yield
        publishing.cancel()
        for watcher in watchers:
            watcher.stop()

    app = FastAPI(title="Tandem", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_HOSTS)
    app.add_middleware(_Headers)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/events")
    async def events() -> EventSourceResponse:
        async def stream() -> AsyncIterator[ServerSentEvent]:
            first = {"environment": environment(settings, declaration), **history(state)}
            yield ServerSentEvent(json.dumps(first, separators=(",", ":")), event="hello", retry=1000)
            yield ServerSentEvent(json.dumps(snapshot(state, declaration), separators=(",", ":")), event="update")
            async for update in publisher.updates():
                yield ServerSentEvent(update, event="update")

        return EventSourceResponse(stream())

    @app.get("/api/story")
    def story(key: Annotated[str, Query(min_length=1, max_length=10_000)]) -> Response:
        try:
            return JSONResponse(stories.of(key))
        except Busy:
            return JSONResponse({"detail": "another search runs; try again in a moment"}, status_code=503)

    @app.get("/api/now")
    def now() -> JSONResponse:
        return JSONResponse({"environment": environment(settings, declaration), **snapshot(state, declaration)})

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(measured), media_type=CONTENT_TYPE_LATEST)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    return app


class _Headers:
    """Adds the headers that keep a page to itself."""

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
