"""A user that may only read a topic, at a broker with ACLs: it is said before a deployment and while the job runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.settings.connections import kafka_client
from tandem.settings.model import Settings
from tandem_rehearsal.credentials import Credentials
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of

pytestmark = pytest.mark.by_name

RIGHT = (
    "User:tandem",
    "*",
    ACLOperation.WRITE,
    ACLPermissionType.ALLOW,
    ResourcePattern(ResourceType.TOPIC, ORDERS.topic),
)


@contextmanager
def read_only(settings: Settings) -> Iterator[None]:
    """Takes the pipeline's user the right to write orders, and gives it back."""
    password = Credentials(settings.home).password("kafka-admin")
    login = {**kafka_client(settings.kafka), "sasl_plain_username": "admin", "sasl_plain_password": password}
    with KafkaAdminClient(**login) as admin:
        admin.delete_acls([ACLFilter(*RIGHT)])
        try:
            yield
        finally:
            admin.create_acls([ACL(*RIGHT)])


@pytest.mark.on_demand
def test_a_topic_that_may_only_be_read_is_said(deployed: Environment) -> None:
    settings = settings_of(deployed)
    expected = f"control records for topic {ORDERS.topic} are refused (no WRITE right)"
    with KafkaProducer(**kafka_client(settings.kafka)) as producer:

        def warned_after_another_payment() -> bool:
            """Orders are quiet while payments come, so that control records for orders are due."""
            moment, name = datetime.now(UTC).isoformat(), uuid.uuid4().hex
            payment = {"payment_id": name, "order_id": name, "payment_date": moment, "created_at": moment, "amount": 1}
            producer.send(PAYMENTS.topic, json.dumps(payment).encode()).get(10)
            return any(expected in text for text in deployed.status()["warnings"])

        with read_only(settings):
            deployed.wait("the refusal", warned_after_another_payment)
            assert expected in deployed.tandem("logs", "job").stdout
            found = {each["check"]: each for each in json.loads(deployed.tandem("doctor", "--json", code=None).stdout)}
            assert found["Kafka's rights"]["state"] == "bad"
            assert f"no WRITE right on topic {ORDERS.topic}" in found["Kafka's rights"]["value"]
            assert f"no WRITE right on topic {ORDERS.topic}" in deployed.tandem("deploy").stderr
        deployed.wait("control records again", lambda: not warned_after_another_payment())
    found = {each["check"]: each for each in json.loads(deployed.tandem("doctor", "--json", code=None).stdout)}
    assert found["Kafka's rights"]["state"] == "good"
