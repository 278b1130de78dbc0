"""A user that lacks a right, at a broker with ACLs: it is said before a deployment and while the job runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, ORDERS, PAYMENTS
from tandem.settings.connections import kafka_client
from tandem.settings.model import Settings
from tandem_rehearsal.credentials import Credentials
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of, verified

pytestmark = pytest.mark.by_name


def right(topic: str, operation: ACLOperation) -> tuple[Any, ...]:
    return "User:tandem", "*", operation, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic)


@contextmanager
def without(settings: Settings, topic: str, operation: ACLOperation) -> Iterator[None]:
    """Takes the pipeline's user a right, and gives it back."""
    password = Credentials(settings.home).password("kafka-admin")
    login = {**kafka_client(settings.kafka), "sasl_plain_username": "admin", "sasl_plain_password": password}
    with KafkaAdminClient(**login) as admin:
        admin.delete_acls([ACLFilter(*right(topic, operation))])
        try:
            yield
        finally:
            admin.create_acls([ACL(*right(topic, operation))])


def rights_found(running: Environment) -> dict[str, str]:
    found = {each["check"]: each for each in json.loads(running.tandem("doctor", "--json", code=None).stdout)}
    finding: dict[str, str] = found["Kafka's rights"]
    return finding


def send_payment(producer: KafkaProducer) -> None:
    moment, name = datetime.now(UTC).isoformat(), uuid.uuid4().hex
    payment = {"payment_id": name, "order_id": name, "payment_date": moment, "created_at": moment, "amount": 1}
    producer.send(PAYMENTS.topic, json.dumps(payment).encode()).get(10)


@pytest.mark.on_demand
def test_a_topic_that_may_only_be_read_is_said(deployed: Environment) -> None:
    settings = settings_of(deployed)
    expected = f"control records for topic {ORDERS.topic} are refused (no WRITE right)"
    with KafkaProducer(**kafka_client(settings.kafka)) as producer:

        def warned_after_another_payment() -> bool:
            """Orders are quiet while payments come, so that control records for orders are due."""
            send_payment(producer)
            return any(expected in text for text in deployed.status()["warnings"])

        with without(settings, ORDERS.topic, ACLOperation.WRITE):
            deployed.wait("the refusal", warned_after_another_payment)
            assert expected in deployed.tandem("logs", "job").stdout
            found = rights_found(deployed)
            assert found["state"] == "bad"
            assert f"no WRITE right on topic {ORDERS.topic}" in found["value"]
            assert f"no WRITE right on topic {ORDERS.topic}" in deployed.tandem("deploy").stderr
        deployed.wait("control records again", lambda: not warned_after_another_payment())
    assert rights_found(deployed)["state"] == "good"


@pytest.mark.parametrize(
    ("topic", "operation"),
    [
        (DEAD_LETTER_TOPIC, ACLOperation.WRITE),
        (DEAD_LETTER_TOPIC, ACLOperation.READ),
        (PAYMENTS.topic, ACLOperation.READ),
    ],
    ids=["dead letters, WRITE", "dead letters, READ", "payments, READ"],
)
def test_a_right_without_which_the_job_stops_is_said_before_a_deployment(
    deployed: Environment, topic: str, operation: ACLOperation
) -> None:
    said = f"no {operation.name} right on topic {topic}"
    with without(settings_of(deployed), topic, operation):
        found = rights_found(deployed)
        assert (found["state"], said in found["value"]) == ("bad", True)
        assert said in deployed.tandem("deploy", code=3).stderr
    assert rights_found(deployed)["state"] == "good"


def test_a_topic_that_may_no_longer_be_read_stops_the_job_once(deployed: Environment) -> None:
    settings = settings_of(deployed)
    deployed.tandem("deploy")
    known = (log := deployed.home / "rehearsal" / "logs" / "job.log").stat().st_size
    with (
        KafkaProducer(**kafka_client(settings.kafka)) as producer,
        without(settings, PAYMENTS.topic, ACLOperation.READ),
    ):

        def failed_after_another_payment() -> bool:
            send_payment(producer)
            return bool(deployed.status()["job"]["state"] == "failed")

        deployed.wait("the failure", failed_after_another_payment)
        assert "Kafka does not allow the job's user to read a topic" in deployed.status()["problem"]
    assert log.read_bytes()[known:].count(b"the query failed") == 1
    deployed.tandem("deploy")
    verified(deployed)
