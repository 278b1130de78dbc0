"""A stand-in for the used part of Cloud Logging.

Entries are written in this process and listed over gRPC.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import grpc
from google.api.monitored_resource_pb2 import MonitoredResource
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry

from tandem_rehearsal.grpc_service import handler, refuse

SERVICE = "google.logging.v2.LoggingServiceV2"
# The newest entries are kept.
_KEPT = 100_000
_PAGE, _LARGEST_PAGE = 50, 1000
_ORDERS = ("", "timestamp asc", "timestamp desc")
_AND = re.compile(r"\s+AND\s+")
_COMPARISON = re.compile(r'([A-Za-z_.]+)\s*(=|>=)\s*"([^"]*)"')


class CloudLogging:
    """Keeps the log entries of one project.

    Args:
        project: the only project.
    """

    def __init__(self, project: str) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._entries: deque[LogEntry] = deque(maxlen=_KEPT)
        self._newest = datetime.min.replace(tzinfo=UTC)

    def service(self) -> grpc.GenericRpcHandler:
        """Returns the handler for a gRPC server."""
        return handler(SERVICE, ListLogEntries=(self._list, ListLogEntriesRequest, ListLogEntriesResponse))

    def write(self, log: str, resource: str, labels: Mapping[str, str], **payload: object) -> None:
        """Stores an entry with the time of now.

        Args:
            log: the log's id, URL-encoded.
            resource: the monitored resource's type.
            labels: the resource's labels.
            payload: ``text_payload`` or ``json_payload``.
        """
        with self._lock:
            # Two entries of one microsecond would have no order.
            self._newest = max(datetime.now(UTC), self._newest + timedelta(microseconds=1))
            self._entries.append(
                LogEntry(
                    log_name=f"projects/{self._project}/logs/{log}",
                    resource=MonitoredResource(type=resource, labels={"project_id": self._project, **labels}),
                    timestamp=self._newest,
                    insert_id=uuid.uuid4().hex,
                    **payload,
                )
            )

    def _list(self, request: ListLogEntriesRequest, context: grpc.ServicerContext) -> ListLogEntriesResponse:
        self._check(request, context)
        wanted = _filter(request.filter, context)
        with self._lock:
            entries = [entry for entry in self._entries if wanted(entry)]
        if request.order_by == "timestamp desc":
            entries.reverse()
        begin, size = int(request.page_token or 0), min(request.page_size or _PAGE, _LARGEST_PAGE)
        end = begin + size
        return ListLogEntriesResponse(
            entries=entries[begin:end], next_page_token=str(end) if end < len(entries) else ""
        )

    def _check(self, request: ListLogEntriesRequest, context: grpc.ServicerContext) -> None:
        """Rejects requests that Google's documentation calls invalid."""
        if not request.resource_names:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "At least one resource name is required")
        if any(name != f"projects/{self._project}" for name in request.resource_names):
            refuse(context, grpc.StatusCode.PERMISSION_DENIED, "Permission denied for all log views")
        if request.order_by not in _ORDERS:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Unsupported order_by: '{request.order_by}'")
        if request.page_size < 0 or not (request.page_token or "0").isdigit():
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "page_size or page_token is invalid")


def _filter(text: str, context: grpc.ServicerContext) -> Callable[[LogEntry], bool]:
    """Returns whether an entry matches comparisons that are joined by AND.

    Refuses all other filters.
    """
    tests: list[Callable[[LogEntry], bool]] = []
    for part in _AND.split(text.strip()) if text.strip() else ():
        found = _COMPARISON.fullmatch(part)
        test = found and _test(*found.groups())
        if not test:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Unparseable filter: '{part}'")
        tests.append(test)
    return lambda entry: all(test(entry) for test in tests)


def _test(field: str, comparison: str, value: str) -> Callable[[LogEntry], bool] | None:
    """Returns one comparison; None if it is not supported or not valid."""
    if (field, comparison) == ("timestamp", ">="):
        try:
            since = datetime.fromisoformat(value)
        except ValueError:
            return None
        return None if since.tzinfo is None else lambda entry: entry.timestamp >= since
    if comparison != "=":
        return None
    if field == "logName":
        return lambda entry: entry.log_name == value
    if field == "resource.type":
        return lambda entry: entry.resource.type == value
    if field.startswith("resource.labels."):
        label = field.removeprefix("resource.labels.")
        return lambda entry: entry.resource.labels.get(label) == value
    return None
