"""Serves a producer's metrics to Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, start_http_server

from tandem.errors import EnvironmentNotReadyError, UsageError

_RECORDS = Counter(
    "tandem_producer_records", "Records by class (valid, repeat, ...) and outcome.", ["topic", "class", "outcome"]
)


def count(topic: str, kind: str, outcome: str) -> None:
    """Counts one record with a known outcome."""
    _RECORDS.labels(topic, kind, outcome).inc()


def serve(place: str) -> None:
    """Serves ``/metrics`` from a thread until the process ends.

    Args:
        place: ``address:port``.

    Raises:
        UsageError: it has another form.
        EnvironmentNotReadyError: the port is in use, or the address is not this machine's.
    """
    address, _, port = place.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--metrics {place!r} is not ADDRESS:PORT", hint="for example --metrics 127.0.0.1:9464")
    try:
        start_http_server(int(port), address)
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"metrics cannot be served at {place}: {error.strerror}", hint="choose another port, or remove --metrics"
        ) from None
