"""Reads a driver's output from Cloud Logging or from the bucket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.runs import Runs
from tandem.settings.model import Settings
from tandem.supervision.log_line import LogLine, of_fields, parse

if TYPE_CHECKING:
    from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
    from google.cloud.logging_v2.types import ListLogEntriesResponse, LogEntry

# The largest page that Google sends.
_PAGE = 1000
# Entries may be listed later than newer ones.
_OVERLAP = timedelta(seconds=30)
_log = structlog.get_logger(__name__)


class DriverLog:
    """The output of the drivers of a pipeline's runs.

    Args:
        settings: the pipeline's settings.
        clients: Google's clients.
        bucket: reads objects.
        runs: the pipeline's runs.
    """

    def __init__(self, settings: Settings, clients: Clients, bucket: Bucket, runs: Runs) -> None:
        self._google, self._clients, self._bucket, self._runs = settings.gcp, clients, bucket, runs
        # Google allows sixty reads a minute in a project.
        self._pace_s = 1.0 if settings.gcp.credentials == "none" else 5.0

    def lines(self, run: Run, *, follow: bool = False, since: datetime | None = None) -> Iterator[LogLine]:
        """Yields the lines of a run's driver in order of time.

        Args:
            run: the run.
            follow: also yield new lines, until the run has ended.
            since: skip older lines; with a time zone.

        Raises:
            EnvironmentNotReadyError: neither may be read.
        """
        entries = _Entries(self._clients.logs, self._google.project or "", self._runs.log_filter(run), since)
        pieces = _Pieces(self._bucket, run.output)
        source: _Source | None = None
        moment: datetime | None = None
        readable: tuple[_Source, ...] = ()
        for last in self._rounds(run, follow):
            readable = readable or self._readable(entries, pieces, run)
            for place in (source,) if source else readable:
                for line in place.new(last=last):
                    source = place
                    moment = line.at or moment
                    if since is None or (moment and moment >= since):
                        yield replace(line, at=moment)
                if source:
                    break

    def _rounds(self, run: Run, follow: bool) -> Iterator[bool]:
        """Yields before each look at the output whether it is the last one."""
        active = follow
        while active:
            # Once more after its end: entries may come late.
            active = self._runs.get(run.id).active
            yield False
            time.sleep(self._pace_s)  # not a wait for readiness: the refresh interval
        yield True

    def _readable(self, entries: _Entries, pieces: _Pieces, run: Run) -> tuple[_Source, ...]:
        """Returns the places to look at, without those that may not be read."""
        try:
            entries.check()
        except EnvironmentNotReadyError as error:
            if not run.output:
                raise
            _log.warning("Cloud Logging cannot be read; reading the bucket", reason=str(error))
            return (pieces,)
        return (entries, pieces) if run.output else (entries,)


class _Source(Protocol):
    def new(self, *, last: bool) -> Iterator[LogLine]:
        """Yields the lines that were not yielded before.

        Args:
            last: whether nothing will follow.
        """


class _Entries:
    """The driver's entries in Cloud Logging."""

    def __init__(self, client: LoggingServiceV2Client, project: str, wanted: str, since: datetime | None) -> None:
        self._client, self._project, self._wanted, self._since = client, project, wanted, since
        self._seen: dict[str, datetime] = {}

    def check(self) -> None:
        """Raises if they may not be read."""
        self._page("", size=1)

    def new(self, *, last: bool) -> Iterator[LogLine]:  # noqa: ARG002  # an entry is a whole line
        """See ``_Source.new``."""
        token, found = "", dict[str, datetime]()
        while True:
            page = self._page(token)
            for entry in page.entries:
                found[entry.insert_id] = entry.timestamp
                if entry.insert_id not in self._seen:
                    yield line_of(entry)
            token = page.next_page_token
            if not token:
                break
        if found:
            self._since = max(found.values()) - _OVERLAP
            self._seen = {name: moment for name, moment in found.items() if moment >= self._since}

    def _page(self, token: str, size: int = _PAGE) -> ListLogEntriesResponse:
        since = f"{self._since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if self._since else None
        request = {
            "resource_names": [f"projects/{self._project}"],
            "filter": f'{self._wanted} AND timestamp >= "{since}"' if since else self._wanted,
            "order_by": "timestamp asc",
            "page_size": size,
            "page_token": token,
        }
        what = "reading the driver's log in Cloud Logging"
        return call(what, lambda: next(self._client.list_log_entries(request=request, retry=None).pages))


class _Pieces:
    """The driver's output in the bucket."""

    def __init__(self, bucket: Bucket, location: str) -> None:
        self._bucket, self._location = bucket, location
        self._count, self._rest = 0, b""

    def new(self, *, last: bool) -> Iterator[LogLine]:
        """See ``_Source.new``."""
        read = partial(parse, service="job")
        for piece in self._bucket.output(self._location, self._count):
            self._count += 1
            *lines, self._rest = (self._rest + piece).split(b"\n")
            yield from (read(line.decode(errors="replace").rstrip()) for line in lines)
        if last and self._rest:
            yield read(self._rest.decode(errors="replace"))
            self._rest = b""


def line_of(entry: LogEntry) -> LogLine:
    """Returns the line of an entry.

    Google's agents store the driver's line as text, as a field ``message``, or, if it is JSON, as its fields without
    time and severity.
    """
    from google.cloud.logging_v2.types import LogEntry
    from google.logging.type.log_severity_pb2 import LogSeverity
    from google.protobuf.json_format import MessageToJson

    # Its numbers are all floating.
    fields = json.loads(MessageToJson(LogEntry.pb(entry).json_payload), parse_float=_number)
    severity = LogSeverity.Name(entry.severity)
    line = parse((entry.text_payload or str(fields.get("message", ""))).rstrip(), "job")
    if fields and line.at is None:
        return of_fields(fields, entry.timestamp, severity, "job")
    return replace(line, at=line.at or entry.timestamp)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
