"""The job as a serverless batch, on the Spark that serverless batches have, which is not the one that is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.environment import Environment
from tests.rehearsal.conftest import PORT, environment, verified

# The stand-in installs that Spark: 430 MB, once.
pytestmark = [pytest.mark.by_name, pytest.mark.on_demand]


@pytest.fixture(scope="module")
def serverless() -> Iterator[Environment]:
    with environment("rehearsal-batch", PORT + 20, ("TANDEM_GCP__SERVERLESS", "true")).started() as running:
        yield running


def test_records_are_joined_and_late_ones_reconciled(serverless: Environment) -> None:
    serverless.tandem("produce", "--count", "3000", "--mix", "late=0.05", "--close")
    verified(serverless)
    status = serverless.status()
    assert (status["ready"], status["job"]["state"]) == (True, "running")
    assert status["job"]["pid_or_id"].startswith("orders-payments-")
    report = json.loads(serverless.tandem("reconcile", "--json").stdout)
    assert sum(report["compared"].values()) > 0
    again = json.loads(serverless.tandem("reconcile", "--json").stdout)
    assert sum(again["inserted"].values()) + sum(again["removed"].values()) == 0


def test_it_runs_on_the_rows_spark_with_the_rows_jars(serverless: Environment) -> None:
    done = serverless.tandem("parity", code=None)
    assert "spark\t4.0.1\t4.0\n" in done.stdout
    kafka = next(line.split("\t") for line in done.stdout.splitlines() if line.startswith("spark-sql-kafka"))
    assert kafka[1] == kafka[2]
    assert "not that of the lock" not in done.stderr


def test_a_new_version_goes_on_where_the_old_one_stopped(serverless: Environment) -> None:
    before = serverless.status()["job"]
    serverless.tandem("submit")
    after = serverless.status()["job"]
    assert after["pid_or_id"] != before["pid_or_id"]
    assert after["input_rows_total"] >= before["input_rows_total"]


def test_a_killed_driver_is_reported_and_the_next_one_resumes(serverless: Environment) -> None:
    with serverless.start("produce", "--count", "2000", "--close") as producing:
        next(each for each in serverless.processes() if "org.apache.spark.deploy.SparkSubmit" in each.cmdline()).kill()
        producing.communicate(timeout=300)
    serverless.wait("the failure", lambda: serverless.status()["job"]["state"] == "failed")
    assert "failed: the driver ended with exit code" in str(serverless.status()["problem"])
    serverless.tandem("deploy")
    verified(serverless)
