"""What is particular about some machines: data of another MongoDB version, a /tmp from which nothing may be run."""

from __future__ import annotations

import json
import re
import subprocess
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.mongod import Mongod, find_mongod
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.state_file import StateFile
from tests import STATE
from tests.environment import CLI, Environment
from tests.integration.test_loop import order, payment
from tests.unit.test_runner import shown

VERSION = re.compile(r"(?<!source_)version=\(major=\d+,minor=\d+\)")


def test_data_of_another_mongodb_version_is_refused_once(fresh: Environment) -> None:
    layout = Layout(fresh.settings.home)
    layout.create()
    states = StateFile(layout.state)
    service = Mongod(fresh.settings, find_mongod(), layout)
    before = ServiceRunner(service, layout, states)
    before.start()
    try:
        shown(layout, "mongod", "running")
    finally:
        before.stop()
    # As a server of a later version would have written it.
    files = layout.mongo / "WiredTiger.turtle"
    text = files.read_text("latin-1")
    assert VERSION.search(text)
    files.write_text(VERSION.sub("version=(major=99,minor=0)", text), "latin-1")
    after = ServiceRunner(service, layout, states)
    after.start()
    try:
        found = shown(layout, "mongod", "failed")
    finally:
        after.stop()
    assert (found.error or "").startswith("was given up: its data is of another MongoDB version"), found
    assert found.restarts == 0


@pytest.mark.on_demand
def test_a_tmp_from_which_nothing_may_be_run() -> None:
    """Records in each compression are read and joined: all native code is loaded from elsewhere."""
    environment = Environment(STATE / "noexec", 29740)
    environment.tandem("down", "--volumes")
    alone = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o noexec tmpfs /tmp && exec "$@"', "sh")
    if subprocess.run((*alone, "true"), capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by root only")
    try:
        subprocess.run((*alone, *CLI, "up", "--wait"), env=environment.variables, timeout=400, check=True)
        run, past = uuid.uuid4().hex[:8], datetime.now(UTC) - timedelta(minutes=1)
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            foreign = Producer({"bootstrap.servers": environment.bootstrap, "compression.type": codec})
            foreign.produce(ORDERS.topic, order(f"{codec}-{run}", past))
            foreign.produce(PAYMENTS.topic, payment("p", f"{codec}-{run}", past))
            assert foreign.flush(30) == 0
        environment.wait("lag 0", environment.caught_up)
        report = json.loads(environment.tandem("verify", "--json").stdout)
        assert report["ok"], report
    finally:
        environment.tandem("down", "--volumes", code=None)
