"""The inner loop: from a saved file to the reloaded job and to its first document."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from confluent_kafka import Producer
from pymongo import MongoClient

from tandem.catalog import PipelineLocation
from tandem.errors import TandemError
from tandem.scaffold import write
from tandem.settings.connections import mongo_client
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for
from tandem_bench.bulk_load import PRODUCER
from tandem_bench.result import Figure, Part, Row
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import ignoring_interrupts, running_job, variables

_NAME = "inner_loop"
_EDITS = 3
_FLUSH_S = 30.0
_DEADLINE_S = 60.0
# The edited part of the transform: every version writes its own name as the service.
_MARK = re.compile(r'(?<=response_id",\n        ).*(?=\n        "status")')


def measure(config: RunConfig) -> Part:
    """Returns seconds from the save to the reload and to the first document."""
    reloaded: list[float] = []
    seen: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        location = write(_NAME, Path(folder) / "pipelines")
        settings = _settings(config.settings, location)
        with running_job(settings), _developing(settings) as output, _documents(settings) as documents:
            _read_to("watching", output)
            for number in range(max(_EDITS, config.rounds)):
                config.say(f"inner loop, edit {number + 1}")
                both = _edit(f"version-{number}", location, output, settings, documents)
                reloaded.append(both[0])
                seen.append(both[1])
    rows = [
        Row("from the save to the job that runs with it", "s", Figure(tuple(reloaded))),
        Row("from the save to a document made with it", "s", Figure(tuple(seen))),
    ]
    return Part("inner_loop", "`tandem dev`, a changed transform", rows, {"edits": len(reloaded)})


def _settings(settings: Settings, location: PipelineLocation) -> Settings:
    """Returns the settings of the new pipeline, with the bench's folder and ports."""
    ports = {
        "kafka": {"port": settings.kafka.port, "controller_port": settings.kafka.controller_port},
        "mongo": {"port": settings.mongo.port},
        "ui": {"spark_port": settings.ui.spark_port, "dashboard_port": settings.ui.dashboard_port},
    }
    own = {"pipeline": location.name, "pipelines_dir": location.folder.parent, "state_dir": settings.state_dir}
    return load(settings.profile, {**ports, **own})


def _edit(
    name: str, location: PipelineLocation, output: IO[str], settings: Settings, documents: Any
) -> tuple[float, float]:
    """Returns the seconds until a new version ran and until its first document."""
    file = location.file("transform")
    edited = _MARK.sub(f'F.lit("{name}").alias("service"),', file.read_text("utf-8"), count=1)
    began = time.monotonic()
    file.write_text(edited, "utf-8")
    _read_to("reloaded in", output)
    reloaded = time.monotonic() - began
    _send(settings, name)

    def probe() -> None:
        if documents.find_one({"service": name}) is None:
            raise NotYetError("it does not exist")

    what, hint = f"a document of {name}", "`tandem logs job`"
    wait_for(what, probe, deadline_s=_DEADLINE_S, hint=hint, interval_s=0.02)
    return reloaded, time.monotonic() - began


def _send(settings: Settings, name: str) -> None:
    """Sends a request and its response with the current time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    producer = Producer({**PRODUCER, "linger.ms": 0, "bootstrap.servers": settings.kafka.bootstrap})
    requests, responses = settings.location.module("streams").STREAMS
    request = {"request_id": name, "service": "search", "requested_at": now}
    response = {"response_id": name, "request_id": name, "status": 200, "responded_at": now}
    for stream, record in ((requests, request), (responses, response)):
        producer.produce(stream.topic, json.dumps(record).encode())
    if producer.flush(_FLUSH_S):
        raise TandemError("Kafka does not accept records", hint="see its log")


@contextmanager
def _documents(settings: Settings) -> Iterator[Any]:
    answered = settings.location.module("streams").ANSWERED.name
    with MongoClient[dict[str, Any]](**mongo_client(settings.mongo)) as client:
        yield client[settings.mongo.database][answered]


@contextmanager
def _developing(settings: Settings) -> Iterator[IO[str]]:
    """Yields the output of `tandem dev` while it runs."""
    process = subprocess.Popen(
        (sys.executable, "-m", "tandem", "dev", settings.pipeline),
        env={**variables(settings), "TANDEM_PIPELINES_DIR": str(settings.pipelines_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process.stderr  # type: ignore[misc]  # it is a pipe
    finally:
        with ignoring_interrupts():
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def _read_to(text: str, output: IO[str]) -> None:
    """Returns when `tandem dev` has printed a text.

    Raises:
        TandemError: it printed an error or ended.
    """
    for line in output:
        if "error: " in line:
            raise TandemError(f"tandem dev: {line.strip()}", hint="see the job's log")
        if text in line:
            return
    raise TandemError("tandem dev ended", hint="run it by hand")
