"""Two pipelines on one cluster: each deployed, verified and destroyed with its data, and the other one stays."""

from __future__ import annotations

import json

import pytest

from tandem.platforms.dataproc.clients import Clients
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of

pytestmark = pytest.mark.by_name

FIRST, SECOND = "orders_payments", "segment_revenue"
BOTH = ("--pipeline", f"{FIRST},{SECOND}")


def objects(running: Environment, pipeline: str) -> list[str]:
    client = Clients(settings_of(running).gcp).storage
    return [blob.name for blob in client.list_blobs("tandem-rehearsal", prefix=f"tandem/{pipeline}/")]


def test_what_pipelines_share_stays_for_the_one_that_is_left(deployed: Environment) -> None:
    job = deployed.status()["job"]["pid_or_id"]
    said = deployed.tandem(*BOTH, "deploy").stderr
    assert "this release is already running" in said
    assert "submitted                      job=segment-revenue-" in said
    deployed.tandem(*BOTH, "produce", "--count", "500", "--close")
    reports = [json.loads(line) for line in deployed.tandem(*BOTH, "verify", "--json").stdout.splitlines()]
    assert [report["ok"] for report in reports] == [True, True]
    assert [each["pipeline"] for each in deployed.status()["pipelines"]] == [FIRST, SECOND]
    assert objects(deployed, SECOND)

    deployed.tandem("--pipeline", SECOND, "destroy", "--yes", "--data")
    status = deployed.status()
    assert (status["ready"], status["job"]["pid_or_id"]) == (True, job)
    assert [each["pipeline"] for each in status["pipelines"]] == [FIRST]
    assert objects(deployed, SECOND) == []
    assert objects(deployed, FIRST)
    deployed.tandem("verify")
