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
from tandem.kafka_python import made
from tandem.platforms.embedded.layout import Layout, empty
from tandem.platforms.embedded.prepare import Tools, child_environment
from tandem.platforms.embedded.service import Program
from tandem.job_files import escaped, temporary_folder
from tandem.platforms.provision import create_topics, streams_of
from tandem.settings.connections import kafka_client
from tandem.settings.model import Settings
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

# A broker for one laptop: a small heap, the serial collector, and only the quick compiler, which takes a third off its
# start and leaves the cores to the driver.
_JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


def program(settings: Settings, tools: Tools, layout: Layout) -> Program:
    """Returns the broker; once it is up, it has the pipeline's topics."""
    configuration = layout.conf / "kafka.properties"
    logging = layout.conf / "kafka-log4j2.properties"
    classpath = ":".join(map(str, tools.jars["kafka"]))
    temporary = layout.conf / "kafka-tmp"
    options = (*_JVM, temporary_folder(temporary), f"-Dlog4j2.configurationFile={logging}")
    java = (str(tools.java.program), *options, "-cp", classpath)
    env = child_environment(tools.java)

    def write() -> None:
        empty(temporary)
        configuration.write_text(properties(settings, layout), "utf-8")
        logging.write_text(_LOG4J, "utf-8")
        if not (layout.kafka / "meta.properties").exists():
            _format([*java, "kafka.tools.StorageTool"], configuration, env)

    def probe(_pid: int) -> None:
        # Not the open port: it is open before the broker can answer for its topics.
        with made(KafkaAdminClient, **kafka_client(settings.kafka), bootstrap_timeout_ms=1000) as admin:
            if not admin.describe_cluster().get("brokers"):
                raise NotYetError("no broker is registered")
            admin.list_topics()

    return Program(
        name="kafka",
        command=(*java, "kafka.Kafka", str(configuration)),
        env=env,
        write=write,
        probe=probe,
        retry_on=(KafkaError,),
        settle=lambda: create_topics(settings.kafka, *streams_of(settings.location)),
        start_deadline_s=90,
        stop_deadline_s=20,
    )


def properties(settings: Settings, layout: Layout) -> str:
    """Returns the broker's server.properties."""
    kafka = settings.kafka
    return _PROPERTIES.format(
        port=kafka.port,
        controller_port=kafka.controller_port,
        # What clients are told: another address than the broker's own when something stands between.
        bootstrap=kafka.bootstrap,
        data=escaped(str(layout.kafka)),
        partitions=kafka.partitions,
    )


def _format(tool: list[str], configuration: Path, env: Mapping[str, str]) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # In one word: an id may begin with a dash.
    command = [*tool, "format", "--ignore-formatted", f"--cluster-id={cluster}", "-c", str(configuration)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        full = any("No space left" in line for line in lines)
        raise EnvironmentNotReadyError(
            f"Kafka's storage could not be formatted: {lines[-1][:300]}",
            hint="free some space" if full else "`tandem doctor` examines Java and the variables that it gets",
        )
