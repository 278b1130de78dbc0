"""`docker compose --profile gcp up` and a broker that asks for what Confluent Cloud asks for: TLS and a password."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tandem.pipelines.orders_payments.streams import STREAMS
from tests import ROOT
from tests.compose.conftest import Stack

# It has the images.
pytestmark = pytest.mark.usefixtures("stack")

PROJECT = "tandem-tests-cloud"
PORT = 29795
DASHBOARD_PORT = 29796
SECRET = "hunter2-9c1f"
# The second listener is the test's own way in.
PROPERTIES = f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
listeners=CLOUD://:9092,TEST://:19092,CONTROLLER://127.0.0.1:9093
advertised.listeners=CLOUD://cloud-kafka:9092,TEST://127.0.0.1:{PORT}
listener.security.protocol.map=CLOUD:SASL_SSL,TEST:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=TEST
controller.listener.names=CONTROLLER
log.dirs=/tmp/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
listener.name.cloud.ssl.keystore.type=PEM
listener.name.cloud.ssl.keystore.location=/broker/server.pem
listener.name.cloud.sasl.enabled.mechanisms=PLAIN
listener.name.cloud.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_key="{SECRET}";
"""
START = """
java=(java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*')
"${java[@]}" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c /broker/server.properties
exec "${java[@]}" kafka.Kafka /broker/server.properties
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own, for its ``.env.gcp``; the images are there."""
    for name in ("compose", "pipelines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("docker-compose.yml", ".env", "tandem.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def cloud(checkout: Path, client: docker.DockerClient) -> Iterator[Path]:
    """The checkout with its ``.env.gcp``, while the broker runs."""
    broker = checkout / "broker"
    broker.mkdir()
    authority = trustme.CA()
    certificate = authority.issue_cert("cloud-kafka")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    # Java reads keys in this form only.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (broker / "server.pem").write_bytes(pem + b"".join(each.bytes() for each in certificate.cert_chain_pems))
    (broker / "server.properties").write_text(PROPERTIES)
    authority.cert_pem.write_to_path(checkout / "ca.pem")
    (checkout / "password").write_text(SECRET + "\n")
    (checkout / ".env.gcp").write_text(
        "TANDEM_KAFKA__BOOTSTRAP=cloud-kafka:9092\nTANDEM_KAFKA__USERNAME=key\nTANDEM_KAFKA__CA=/etc/tandem-ca.pem\n"
        "TANDEM_KAFKA__PASSWORD=file:~/.secrets/confluent\nTANDEM_MONGO__PASSWORD=file:~/.secrets/atlas\n"
        "TANDEM_MONGO__URI=mongodb://cloud-mongo/\nTANDEM_MONGO__USERNAME=tandem\n"
    )
    network = client.networks.create(f"{PROJECT}-broker")
    mount = f"{{volumes: ['{checkout}/ca.pem:/etc/tandem-ca.pem:ro']}}"
    (checkout / "docker-compose.override.yml").write_text(
        f"services: {{cloud-producers: {mount}, cloud-dashboard: {mount}}}\n"
        f"networks: {{default: {{name: {network.name}, external: true}}}}\n"
    )
    container = client.containers.create(
        "tandem/kafka:0.1.0",
        ["bash", "-c", START],
        volumes={str(broker): {"bind": "/broker", "mode": "ro"}},
        ports={"19092/tcp": ("127.0.0.1", PORT)},
    )
    try:
        network.connect(container, aliases=["cloud-kafka"])
        container.start()
        try:
            create_topics()
        except KafkaError as error:
            pytest.fail(f"{error}\n{container.logs(tail=30).decode()}")
        yield checkout
    finally:
        compose(checkout, "down")
        container.remove(force=True)
        network.remove()


@retry(retry=retry_if_exception_type(KafkaError), wait=wait_fixed(0.5), stop=stop_after_delay(60), reraise=True)
def create_topics() -> None:
    with KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{PORT}", bootstrap_timeout_ms=1000) as admin:
        options = {"num_partitions": 1, "replication_factor": 1}
        admin.create_topics({stream.topic: options for stream in STREAMS}, wait_for_metadata=True)


def compose(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {"TANDEM_PROJECT": PROJECT, "TANDEM_IMAGES": "built", "COMPOSE_PROFILES": ""}
    variables["TANDEM_UI__DASHBOARD_PORT"] = str(DASHBOARD_PORT)
    secret = {f"TANDEM_{each}_PASSWORD_FILE": str(folder / "password") for each in ("KAFKA", "MONGO")}
    return subprocess.run(
        ["docker", "compose", "--profile", "gcp", *arguments],
        cwd=folder,
        env={**os.environ, **variables, **secret},
        capture_output=True,
        text=True,
        check=False,
    )


def values(topic: str) -> list[bytes]:
    """Some of what is in the topic, not parsed: malformed records are among what producers send."""
    consumer = KafkaConsumer(bootstrap_servers=f"127.0.0.1:{PORT}", auto_offset_reset="earliest")
    try:
        consumer.assign([TopicPartition(topic, 0)])
        found = consumer.poll(timeout_ms=500).values()
        return [record.value for batch in found for record in batch if record.value is not None]
    finally:
        consumer.close()


def test_producers_reach_brokers_behind_tls_and_a_password(stack: Stack, cloud: Path) -> None:
    done = compose(cloud, "up", "--detach", "--no-build")
    assert done.returncode == 0, done.stderr
    for stream in STREAMS:
        stack.wait(stream.topic, lambda s=stream: any(b'"order_id"' in each for each in values(s.topic)), 30)
    started = stack.containers.of(PROJECT)
    assert sorted(started) == ["cloud-dashboard", "cloud-producers"]
    assert SECRET not in json.dumps([each.attrs for each in started.values()])
    assert SECRET not in compose(cloud, "logs").stdout


def test_the_dashboard_shows_the_cloud(stack: Stack, cloud: Path) -> None:
    assert compose(cloud, "up", "--detach", "--no-build").returncode == 0

    def shown() -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{DASHBOARD_PORT}/api/now", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return None
        return found if found["links"]["kafka"]["up"] else None

    found = stack.wait("the dashboard to reach Kafka", shown, 60)
    assert (found["environment"]["profile"], found["environment"]["cloud"]) == ("gcp", True)
    assert SECRET not in json.dumps(found)


def test_a_wrong_password_is_said_in_words_and_not_repeated(stack: Stack, cloud: Path) -> None:
    (cloud / "password").write_text("wrong-" + SECRET)
    assert compose(cloud, "up", "--detach", "--no-build").returncode == 0
    said = stack.wait("the refusal", lambda: [x for x in [compose(cloud, "logs").stdout] if "error:" in x], 60)[0]
    assert "Kafka at cloud-kafka:9092 refused the user key" in said, said
    assert SECRET not in said


def test_without_its_file_the_cloud_is_not_tried(checkout: Path) -> None:
    done = compose(checkout, "up", "--detach", "--no-build")
    assert done.returncode != 0
    assert ".env.gcp" in done.stderr or "password" in done.stderr
    compose(checkout, "down")
