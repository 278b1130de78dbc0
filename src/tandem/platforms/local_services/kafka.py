"""Kafka: one KRaft node, broker and controller in one process."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tandem.errors import EnvironmentNotReadyError
from tandem.job_files import escaped, logging_option, temporary_folder
from tandem.kafka_python import new_client
from tandem.local_spark.java import child_environment
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import Tools
from tandem.platforms.provision import create_topics, streams_of
from tandem.settings.connections import kafka_client
from tandem.settings.model import Settings
from tandem.supervision.service import Service
from tandem.supervision.state_folder import empty
from tandem.waiting import NotYetError

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BROKER://{bootstrap}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}
# A topic that appears because its name was mistyped has the wrong partitions and hides the mistake.
auto.create.topics.enable=false
num.partitions={partitions}
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
log.message.timestamp.type=LogAppendTime
message.max.bytes=2097152
# verify and reconcile read the topics from their beginning; `down --volumes` empties them.
log.retention.ms=-1
"""

_LOG4J = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS}{UTC}Z %p %c{1} %maxLen{%m}{2000}%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = org.apache.kafka.server
logger.server.level = warn
logger.raft.name = kafka.server.KafkaRaftServer
logger.raft.level = info
# It prints the whole configuration at warn for every setting that it does not know.
logger.config.name = org.apache.kafka.common.config
logger.config.level = error
"""

# A broker for one laptop: a small heap, the serial collector, and only the fast compiler. That shortens the start by a
# third and leaves the cores to the driver.
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


class Kafka(Service):
    """The broker; once it is ready, it gets the pipeline's topics."""

    retry_on = (KafkaError,)
    start_deadline_s = 90.0

    def __init__(self, settings: Settings, tools: Tools, layout: Layout) -> None:
        self.settings, self._layout = settings, layout
        self.file = layout.conf / "kafka.properties"
        self._logging = layout.conf / "kafka-log4j2.properties"
        self._temporary = layout.conf / "kafka-tmp"
        options = (*_JVM, temporary_folder(self._temporary), logging_option(self._logging))
        self._java = (str(tools.java.program), *options, "-cp", ":".join(map(str, tools.jars["kafka"])))
        super().__init__("kafka", (*self._java, "kafka.Kafka", str(self.file)), child_environment(tools.java))

    def prepare(self) -> None:
        """Writes the configuration, and formats a new storage."""
        empty(self._temporary)
        self.file.write_text(properties(self.settings, self._layout), "utf-8")
        self._logging.write_text(_LOG4J, "utf-8")
        if not (self._layout.kafka / "meta.properties").exists():
            _format([*self._java, "kafka.tools.StorageTool"], self.file, self.environment)

    def administrator(self) -> KafkaAdminClient:
        """Returns an administrator's client."""
        return new_client(KafkaAdminClient, **kafka_client(self.settings.kafka), bootstrap_timeout_ms=1000)

    def probe(self, _pid: int, /) -> None:
        """Returns when the broker answers for its topics; an open port is not enough."""
        with self.administrator() as admin:
            if not admin.describe_cluster().get("brokers"):
                raise NotYetError("no broker is registered")
            admin.list_topics()

    def on_ready(self) -> None:
        """Creates the topics."""
        create_topics(self.settings.kafka, *streams_of(self.settings.location))


def properties(settings: Settings, layout: Layout) -> str:
    """Returns the broker's server.properties."""
    kafka = settings.kafka
    return _PROPERTIES.format(
        port=kafka.port,
        controller_port=kafka.controller_port,
        # Clients get this address. It differs from the listener's if there is a proxy.
        bootstrap=kafka.bootstrap,
        data=escaped(str(layout.kafka)),
        partitions=kafka.partitions,
    )


def _format(tool: list[str], configuration: Path, env: Mapping[str, str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # As one word, because an id may begin with a dash.
    command = [*tool, "format", "--ignore-formatted", f"--cluster-id={cluster}", "-c", str(configuration)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        full = any("No space left" in line for line in lines)
        raise EnvironmentNotReadyError(
            f"Kafka's storage could not be formatted: {lines[-1][:300]}",
            hint="free some space" if full else "`tandem doctor` examines Java and the variables that it gets",
        )
