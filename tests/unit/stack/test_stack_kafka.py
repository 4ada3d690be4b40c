import re
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

import pytest

from nocturne.errors import NocturneError
from nocturne.settings import load_settings
from nocturne.stack.kafka import escape_property, write_kafka_files
from nocturne.stack.ports import Ports

PORTS = Ports(kafka=1111, kafka_controller=2222)
JAVA, RUNTIME = Path("/jdk/bin/java"), Path("/runtime")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A log folder that is formatted already."""
    (tmp_path / "kafka/data").mkdir(parents=True)
    (tmp_path / "kafka/data/meta.properties").touch()
    return tmp_path / "kafka"


@pytest.fixture
def properties(folder) -> dict[str, str]:
    write_kafka_files(folder, PORTS, JAVA, RUNTIME)
    lines = (folder / "server.properties").read_text("ascii").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_kafka_listens_here_alone(properties):
    expected = "PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert properties["listeners"] == properties["advertised.listeners"] == expected
    assert properties["controller.quorum.bootstrap.servers"] == "127.0.0.1:2222"


def test_one_node_asks_for_no_second_replica(properties):
    replicated = {
        name: value
        for name, value in properties.items()
        if name.endswith(("replication.factor", "min.isr"))
    }
    assert len(replicated) == 5
    assert set(replicated.values()) == {"1"}


def test_topics_are_created_by_name_or_not_at_all(properties):
    assert properties["auto.create.topics.enable"] == "false"


def test_the_data_lies_in_the_folder(properties, folder):
    assert properties["log.dirs"] == str(folder / "data")


def test_every_property_is_one_that_kafka_knows(properties):
    """By the names in the broker's own jars: a renamed property would be ignored in silence."""
    from nocturne.stack.jars import jar_paths
    from nocturne.stack.setup import set_up

    settings = load_settings()
    set_up(settings, print)
    known = set()
    for jar in jar_paths(settings.runtime, "kafka"):
        if jar.name.startswith("kafka"):
            known |= constants_among(jar, properties)
    assert set(properties) == known


def constants_among(jar: Path, names: Iterable[str]) -> set[str]:
    """Those names that are constants of a class about configuration: length, then UTF-8."""
    constants = {name: len(name).to_bytes(2, "big") + name.encode() for name in names}
    found = set()
    with ZipFile(jar) as classes:
        for entry in classes.namelist():
            if entry.endswith(("Config.class", "Configs.class")):
                content = classes.read(entry)
                found |= {name for name, constant in constants.items() if constant in content}
    return found


def test_the_command_starts_the_broker_with_exactly_the_pinned_jars(folder):
    from nocturne.stack.jars import jar_paths

    command = write_kafka_files(folder, PORTS, JAVA, RUNTIME)
    assert command[0] == str(JAVA)
    assert command[-2:] == ["kafka.Kafka", str(folder / "server.properties")]
    classpath = command[command.index("-cp") + 1].split(":")
    assert classpath == [str(jar) for jar in jar_paths(RUNTIME, "kafka")]
    assert "-Xmx768m" in command


@pytest.mark.parametrize(
    ("path", "escaped"),
    [
        ("/srv/a b/#1 50%=:x", "/srv/a b/#1 50%=:x"),
        ("/srv/josé", r"/srv/jos\u00e9"),
        ("/srv/音楽/🎵", r"/srv/\u97f3\u697d/\ud83c\udfb5"),
        ("/srv/back\\slash", r"/srv/back\\slash"),
    ],
)
def test_a_path_is_escaped_as_java_reads_it(path, escaped):
    assert escape_property(path) == escaped


def test_a_new_log_folder_is_formatted_once(tmp_path):
    java = tmp_path / "java"
    java.write_text(
        f"#!/bin/sh\necho \"$@\" >>'{tmp_path}/calls'\n"
        f"mkdir '{tmp_path}/kafka/data' && touch '{tmp_path}/kafka/data/meta.properties'\n"
    )
    java.chmod(0o755)
    for _ in range(2):
        write_kafka_files(tmp_path / "kafka", PORTS, java, RUNTIME)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert re.search(r"StorageTool format -t [0-9a-f-]{36} -c .*properties --standalone$", calls[0])


def test_a_format_that_fails_says_why(tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho the disk is full >&2; exit 1\n")
    java.chmod(0o755)
    with pytest.raises(NocturneError, match=r"could not format .*the disk is full"):
        write_kafka_files(tmp_path / "kafka", PORTS, java, RUNTIME)
