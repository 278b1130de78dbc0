"""What `tandem status` shows a person."""

from __future__ import annotations

import io

from rich.console import Console

from tandem.cli.inspect import status_table
from tandem.platforms.observe import mongo_address, status
from tandem.settings.load import load


def test_one_address_of_mongodb_for_containers_and_processes() -> None:
    for profile in ("embedded", "local"):
        told = mongo_address(load(profile, {"mongo": {"port": 4711}}).mongo)
        assert told == "mongodb://127.0.0.1:4711/?directConnection=true"
    for uri in ("mongodb://a,b/?replicaSet=rs0", "mongodb+srv://atlas.example/"):
        assert mongo_address(load("embedded", {"mongo": {"uri": uri}}).mongo) == uri


def test_the_table_fits_a_terminal_whatever_the_addresses_are() -> None:
    hosts = ",".join(f"shard-{number}.some-cluster.mongodb.example:27017" for number in range(3))
    settings = load("embedded", {"mongo": {"uri": f"mongodb://{hosts}/?tls=true&replicaSet=rs0"}})
    found = status(
        settings,
        state="running",
        driver="a-job-id-" + 12 * "0123456789",
        ready=True,
        newest=None,
        behind=7,
        problem="the job " + 40 * "waits and ",
        dashboard=True,
    )
    for width in (60, 80):
        out = io.StringIO()
        Console(file=out, width=width).print(status_table({**found, "pipelines": [found]}))
        lines = out.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        # Folded, not cut.
        assert "".join(line[22:].strip() for line in lines).count("some-cluster") == 3
