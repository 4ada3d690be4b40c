"""The embedded Kafka: one KRaft node that is broker and controller."""

import json
import subprocess
import time
import uuid
from pathlib import Path

from nocturne.errors import NocturneError
from nocturne.stack.jars import jar_paths
from nocturne.stack.ports import HOST, Ports

# One node holds every replica, so the internal topics cannot have more than one. Offsets outlive
# the oldest letters: how far those were fed back is the offset of a group that is seldom there.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.retention.minutes=144000
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def java_command(java: Path, runtime: Path, heap: str, main: str) -> list[str]:
    classpath = ":".join(str(jar) for jar in jar_paths(runtime, "kafka"))
    level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    dates = "-Dorg.slf4j.simpleLogger.showDateTime=true"
    return [str(java), f"-Xmx{heap}", "-XX:+UseSerialGC", level, dates, "-cp", classpath, main]


def write_kafka_files(folder: Path, ports: Ports, java: Path, runtime: Path) -> list[str]:
    """Write the configuration, format the log folder if it is new; the command to start."""
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.write_text(
        PROPERTIES.format(
            host=HOST,
            port=ports.kafka,
            controller_port=ports.kafka_controller,
            data=escape_property(str(folder / "data")),
        ),
        encoding="utf-8",
    )
    if not (folder / "data/meta.properties").is_file():
        format_log_folder(folder, java, runtime)
    return [*java_command(java, runtime, "768m", "kafka.Kafka"), str(properties)]


def escape_property(value: str) -> str:
    """A value as Java reads it from a properties file: its escapes are those of JSON strings."""
    return json.dumps(value)[1:-1]


def format_log_folder(folder: Path, java: Path, runtime: Path) -> None:
    command = java_command(java, runtime, "256m", "kafka.tools.StorageTool")
    cluster_id = ["-t", str(uuid.uuid4())]
    done = subprocess.run(
        [*command, "format", *cluster_id, "-c", str(folder / "server.properties"), "--standalone"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NocturneError(f"Kafka could not format {folder}: {done.stdout}{done.stderr}")


def is_kafka_healthy(bootstrap: str) -> bool:
    """Does a broker answer with the list of its topics within two seconds?"""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        time.sleep(0.2)
        return False
