"""What goes wrong in a cloud: services are killed under load, and logins are wrong. Nothing is lost; all is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient

from tandem.pipelines.orders_payments.streams import FACTS
from tandem.settings.connections import mongo_client
from tests.environment import Environment
from tests.rehearsal.conftest import verified
from tests.rehearsal.storage_proxy import StorageProxy

pytestmark = pytest.mark.by_name

# What a stand-in's process is known by.
KILLED = {"Kafka": "kafka.Kafka", "MongoDB": "mongod", "Cloud Storage": "fake-gcs-server"}


@pytest.mark.parametrize("service", KILLED)
def test_a_service_that_is_killed_under_load_costs_nothing(deployed: Environment, service: str) -> None:
    mark = KILLED[service]
    with deployed.start("produce", "--count", "4000", "--rate", "400", "--close") as producing:
        deployed.wait("records", lambda: deployed.status()["job"]["lag"])
        next(each for each in deployed.processes() if any(mark in word for word in each.cmdline())).kill()
        said, _ = producing.communicate(timeout=300)
    assert producing.returncode == 0, said
    verified(deployed)


def test_cloud_storage_that_refuses_requests_costs_nothing(deployed: Environment, storage: StorageProxy) -> None:
    with storage.misbehaving(429, 503, each=5):
        deployed.tandem("produce", "--count", "2000", "--close")
        deployed.wait("both refusals", lambda: storage.refused.keys() == {429, 503})
        verified(deployed)


def test_cloud_storage_that_is_slow_costs_nothing(deployed: Environment, storage: StorageProxy) -> None:
    with storage.misbehaving(delay_s=0.5):
        deployed.tandem("produce", "--count", "2000", "--close")
        verified(deployed)
        assert storage.delayed


def test_cloud_storage_that_refuses_everything_is_reported_and_waited_for(
    deployed: Environment, storage: StorageProxy
) -> None:
    log = deployed.home / "rehearsal" / "logs" / "job.log"
    known = log.stat().st_size

    def told() -> bool:
        said = log.read_bytes()[known:].decode(errors="replace")
        return "the query failed: Cloud Storage refused a request or did not answer" in said

    with deployed.start("produce", "--count", "2000", "--rate", "200", "--close") as producing:
        deployed.wait("records", lambda: deployed.status()["job"]["lag"])
        with storage.misbehaving(503, each=1):
            # Hadoop's connector tries for a minute before it says so.
            deployed.wait("the job's word", told, seconds=300)
        said, _ = producing.communicate(timeout=300)
    assert producing.returncode == 0, said
    verified(deployed)


def test_a_job_that_a_restart_cannot_help_runs_once_and_says_why(deployed: Environment) -> None:
    log = deployed.home / "rehearsal" / "logs" / "job.log"
    deployed.tandem("produce", "--count", "500", "--close")
    verified(deployed)
    known = log.stat().st_size
    with MongoClient[dict[str, Any]](**mongo_client(deployed.settings.mongo)) as client:
        facts = client["ecommerce_mart"][FACTS.name]
        (newest,) = facts.find().sort("order_date", -1).limit(1)
        since = {"order_date": {"$gt": newest["order_date"]}}
        facts.create_index("customer_id", name="theirs", unique=True, partialFilterExpression=since)
        deployed.tandem("produce", "--count", "2000", "--close", code=None)
        deployed.wait("the failure", lambda: deployed.status()["job"]["state"] == "failed")
        problem = deployed.status()["problem"]
        assert "the unique index theirs" in problem
        facts.drop_index("theirs")
    assert log.read_bytes()[known:].count(b"the query failed") == 1
    deployed.tandem("deploy")
    verified(deployed)


@pytest.mark.parametrize("variable", ["TANDEM_KAFKA__PASSWORD", "TANDEM_MONGO__PASSWORD"])
def test_a_wrong_password_is_said_before_anything_is_changed(deployed: Environment, variable: str) -> None:
    before = deployed.status()["job"]["pid_or_id"]
    wrong = replace(deployed, extra=(*deployed.extra, (variable, "env:WRONG"), ("WRONG", "hunter2")))
    done = wrong.tandem("submit", code=3)
    error, hint = done.stderr.splitlines()[-2:]
    assert "refuse" in error, done.stderr
    assert "tandem" in error
    assert hint.startswith("hint: ")
    assert "hunter2" not in done.stderr
    assert deployed.status()["job"]["pid_or_id"] == before


# A job that MongoDB refuses cannot report its reason there. Dataproc then starts it four times, which takes minutes.
@pytest.mark.on_demand
def test_a_wrong_password_of_the_job_is_said_by_the_job(deployed: Environment) -> None:
    (deployed.home / "rehearsal" / "secrets" / "outdated").write_text("hunter2")
    outdated = "gsm:projects/rehearsal-project/secrets/outdated"
    wrong = replace(deployed, extra=(*deployed.extra, ("TANDEM_MONGO__JOB_PASSWORD", outdated)))
    done = wrong.tandem("submit", code=3)
    error, _, so_far = done.stderr.splitlines()[-3:]
    assert "failed" in error
    assert "has ended, and nothing replaces it" in so_far
    assert "MongoDB refuses mongo.username with this password" in deployed.tandem("logs", "job").stdout
    assert "hunter2" not in done.stderr
    deployed.tandem("deploy")
    assert deployed.status()["job"]["state"] == "running"


@pytest.mark.parametrize(
    ("variable", "value", "code", "said"),
    [
        ("TANDEM_GCP__BUCKET", "nobodys-bucket", 3, "looking at the bucket nobodys-bucket failed"),
        ("TANDEM_GCP__REGION", "rehearsal-south1", 1, "Region 'rehearsal-south1' is invalid"),
        ("TANDEM_GCP__PROJECT", "other-project", 3, "is not allowed: "),
        ("TANDEM_MONGO__JOB_PASSWORD", "gsm:projects/rehearsal-project/secrets/none", 3, "secrets/none failed"),
    ],
)
def test_a_wrong_place_is_said_before_anything_is_changed(
    deployed: Environment, variable: str, value: str, code: int, said: str
) -> None:
    before = deployed.status()["job"]["pid_or_id"]
    wrong = replace(deployed, extra=(*deployed.extra, (variable, value)))
    done = wrong.tandem("submit", code=code)
    first, *_, error, hint = done.stderr.splitlines()
    assert first.startswith("tandem: profile rehearsal")
    assert said in error, done.stderr
    assert hint.startswith("hint: ")
    assert deployed.status()["job"]["pid_or_id"] == before
