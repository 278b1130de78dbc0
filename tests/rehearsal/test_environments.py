"""A second environment in one project and region, with a bucket and a database of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient

from tandem.platforms.dataproc.clients import Clients
from tandem_rehearsal.credentials import Credentials
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of

pytestmark = pytest.mark.by_name

BUCKET, DATABASE = "another-bucket", "another_mart"


@pytest.fixture
def second(deployed: Environment) -> Environment:
    """What somebody has who deploys with the profile ``gcp``, with a bucket and a database of their own."""
    settings = settings_of(deployed)
    credentials = Credentials(settings.home)
    login: dict[str, Any] = {"username": "admin", "password": credentials.password("mongo-admin")}
    login |= {"tls": True, "tlsCAFile": str(credentials.authority)}
    with MongoClient[dict[str, Any]](f"127.0.0.1:{settings.mongo.port}", directConnection=True, **login) as client:
        role = {"role": "readWrite", "db": DATABASE}
        client.admin.command("grantRolesToUser", settings.mongo.username, roles=[role])
    storage = Clients(settings.gcp).storage
    if storage.lookup_bucket(BUCKET) is None:
        storage.create_bucket(BUCKET)
    cloud = {
        "KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "KAFKA__USERNAME": settings.kafka.username,
        "KAFKA__PASSWORD": settings.kafka.password,
        "KAFKA__JOB_PASSWORD": settings.kafka.job_password,
        "KAFKA__CA": settings.kafka.ca,
        "KAFKA__REPLICATION_FACTOR": 1,
        "MONGO__URI": settings.mongo.uri,
        "MONGO__USERNAME": settings.mongo.username,
        "MONGO__PASSWORD": settings.mongo.password,
        "MONGO__JOB_PASSWORD": settings.mongo.job_password,
        "MONGO__CA": settings.mongo.ca,
        "MONGO__DATABASE": DATABASE,
        "GCP__PROJECT": settings.gcp.project,
        "GCP__REGION": settings.gcp.region,
        "GCP__SERVICE_ACCOUNT": settings.gcp.service_account,
        "GCP__BUCKET": BUCKET,
        "JOB__TRIGGER_SECONDS": 0,
    }
    extra = tuple((f"TANDEM_{name}", str(value)) for name, value in cloud.items())
    return replace(deployed, profile="gcp", home=deployed.home / "second", extra=(*deployed.extra, *extra))


def test_a_second_environment_leaves_the_first_one_alone(deployed: Environment, second: Environment) -> None:
    before = deployed.status()
    second.tandem("deploy")
    other = second.status()
    assert (other["ready"], other["mongo"]["database"]) == (True, DATABASE)
    assert other["job"]["pid_or_id"] != before["job"]["pid_or_id"]
    second.tandem("destroy", "--yes")
    assert second.status()["job"]["state"] == "stopped"
    after = deployed.status()
    assert (after["ready"], after["job"]["pid_or_id"]) == (True, before["job"]["pid_or_id"])
    deployed.tandem("produce", "--count", "500", "--close")
    deployed.tandem("verify", "--wait", "240")
