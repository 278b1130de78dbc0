"""``python -m tandem.exporter``: serves metrics of Kafka and MongoDB."""

from __future__ import annotations

import argparse
import signal
import threading

from prometheus_client import start_http_server

from tandem import log
from tandem.errors import EnvironmentNotReadyError, UsageError, run_program
from tandem.exporter.collector import MetricSource, registry
from tandem.exporter.kafka_metrics import KafkaMetrics
from tandem.exporter.mongo_metrics import MongoMetrics
from tandem.settings.load import load, read_settings


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tandem.exporter", description=__doc__)
    parser.add_argument("--listen", metavar="ADDRESS:PORT", default="127.0.0.1:9470", help="default: %(default)s")
    listen = parser.parse_args().listen
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _serve(listen)
    stop.wait()


def _serve(listen: str) -> None:
    address, _, port = listen.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {listen!r} is not ADDRESS:PORT", hint="for example --listen 127.0.0.1:9470")
    # All pipelines of an environment have one Kafka and one MongoDB.
    settings = load(overrides={"pipeline": read_settings().pipelines[0]})
    log.to_stderr(settings.log.format)
    sources: dict[str, MetricSource] = {"kafka": KafkaMetrics(settings.kafka), "mongo": MongoMetrics(settings.mongo)}
    try:
        start_http_server(int(port), address, registry(sources))
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"metrics cannot be served at {listen}: {error.strerror}", hint="choose another port with --listen"
        ) from None


if __name__ == "__main__":
    raise SystemExit(run_program(main))
