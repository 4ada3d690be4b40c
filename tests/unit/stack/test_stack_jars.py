import hashlib
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nocturne.errors import BadInput, ServiceUnavailable
from nocturne.settings import load_settings
from nocturne.stack import jars as jars_module
from nocturne.stack.jars import (
    Jar,
    check_jar,
    describe_dependencies,
    ensure_jars,
    jar_paths,
    pyspark_folder,
    read_lock,
)

NO_JAVA = Path("/nonexistent/java")
CONTENT = b"PK the jar"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def small_lock(tmp_path, monkeypatch) -> Path:
    """A lock of one jar in place of ours."""
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# a comment\n\nkafka org.example thing 1.0 {SHA256}\n")
    monkeypatch.setattr(jars_module, "LOCK", lock)
    monkeypatch.setattr(jars_module, "read_lock", lambda: read_lock(lock))
    return lock


def fake_java(folder: Path, body: str) -> Path:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{body}\n")
    java.chmod(0o755)
    return java


def test_the_lock_pins_every_jar_by_its_hash():
    jars = read_lock()
    assert {jar.jar_set for jar in jars} == {"kafka", "spark", "streaming"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    places = [(jar.jar_set, jar.file_name) for jar in jars]
    assert len(set(places)) == len(places)


def test_the_lock_holds_the_versions_that_fit_together():
    found = {(jar.organisation, jar.module): jar.revision for jar in read_lock()}
    assert found["org.apache.kafka", "kafka_2.13"] == "4.2.0"
    assert found["org.mongodb.spark", "mongo-spark-connector_2.13"] == "10.5.0"
    assert found["io.openlineage", "openlineage-spark_2.13"] == "1.53.0"
    assert found["org.apache.spark", "spark-sql-kafka-0-10_2.13"] == "4.0.0"


def test_no_jar_of_spark_is_one_that_pyspark_ships():
    shipped = {jar.name.rpartition("-")[0] for jar in (pyspark_folder() / "jars").glob("*.jar")}
    ours = {jar.module for jar in read_lock() if jar.jar_set in ("spark", "streaming")}
    assert not ours & shipped


def test_jars_lie_in_the_folder_of_their_set(small_lock, tmp_path):
    assert jar_paths(tmp_path, "kafka") == [tmp_path / "kafka/thing-1.0.jar"]
    assert jar_paths(tmp_path, "spark") == []


def test_ivy_is_asked_for_exactly_the_jars_and_nothing_below_them():
    jars = [
        Jar("kafka", "org.example", "a<b&c", '1.0"', SHA256),
        Jar("kafka", "o", "m", "2", SHA256),
    ]
    dependencies = ET.fromstring(describe_dependencies("kafka", jars)).iter("dependency")  # noqa: S314
    asked = [dict(dependency.attrib) for dependency in dependencies]
    assert [(one["org"], one["name"], one["rev"]) for one in asked] == [
        ("org.example", "a<b&c", '1.0"'),
        ("o", "m", "2"),
    ]
    assert {one["transitive"] for one in asked} == {"false"}


def test_a_jar_that_is_the_one_pinned_stays(tmp_path):
    path = tmp_path / "thing-1.0.jar"
    path.write_bytes(CONTENT)
    check_jar(path, Jar("kafka", "org.example", "thing", "1.0", SHA256))
    assert path.read_bytes() == CONTENT


def test_another_jar_is_refused_and_removed(tmp_path):
    path = tmp_path / "thing-1.0.jar"
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(BadInput, match=r"not the jar that jars\.lock pins"):
        check_jar(path, Jar("kafka", "org.example", "thing", "1.0", SHA256))
    assert not path.exists()


def test_a_jar_that_did_not_come_is_worth_a_retry(tmp_path):
    with pytest.raises(ServiceUnavailable, match=r"thing-1\.0\.jar"):
        check_jar(tmp_path / "thing-1.0.jar", Jar("kafka", "o", "thing", "1.0", SHA256))


def test_what_is_complete_is_left_alone(small_lock, tmp_path):
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka/thing-1.0.jar").write_bytes(CONTENT)
    stamp = tmp_path / "jars.stamp"
    stamp.write_text(hashlib.sha256(small_lock.read_bytes()).hexdigest())
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    ensure_jars(tmp_path, NO_JAVA)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_the_jars_of_this_environment_are_complete_and_need_no_ivy(home):
    """Set-up has fetched them, or fetches them now."""
    from nocturne.stack.setup import set_up

    settings = load_settings()
    set_up(settings, print)
    ensure_jars(settings.runtime, NO_JAVA)
    assert all(
        path.is_file()
        for name in ("kafka", "spark", "streaming")
        for path in jar_paths(settings.runtime, name)
    )


def test_a_changed_lock_fetches_again_and_removes_what_is_no_longer_listed(small_lock, tmp_path):
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka/old-0.9.jar").write_bytes(b"PK old")
    (tmp_path / "jars.stamp").write_text("of another lock")
    (tmp_path / "central.jar").write_bytes(CONTENT)
    java = fake_java(tmp_path, f"cp '{tmp_path}/central.jar' '{tmp_path}/kafka/thing-1.0.jar'")
    ensure_jars(tmp_path, java)
    assert [file.name for file in (tmp_path / "kafka").iterdir()] == ["thing-1.0.jar"]
    ensure_jars(tmp_path, NO_JAVA)


def test_a_wrong_jar_does_not_come_back_from_ivys_cache(small_lock, tmp_path):
    """A cache that holds what was refused would be asked first, for ever."""
    cache = tmp_path / "kafka.ivy-cache"
    fetch = f"""
        mkdir -p '{cache}'
        if [ ! -f '{cache}/jar' ]; then cp '{tmp_path}/central.jar' '{cache}/jar'; fi
        cp '{cache}/jar' '{tmp_path}/kafka/thing-1.0.jar'
    """
    java = fake_java(tmp_path, fetch)
    (tmp_path / "central.jar").write_bytes(b"PK broken on the way")
    with pytest.raises(BadInput, match="not the jar"):
        ensure_jars(tmp_path, java)
    (tmp_path / "central.jar").write_bytes(CONTENT)
    ensure_jars(tmp_path, java)


def test_what_ivy_fetched_before_the_network_failed_is_kept(small_lock, tmp_path):
    java = fake_java(
        tmp_path, f"mkdir '{tmp_path}/kafka.ivy-cache'; echo no route to Central; exit 1"
    )
    with pytest.raises(ServiceUnavailable, match=f"{tmp_path}/kafka.ivy.log.*try again"):
        ensure_jars(tmp_path, java)
    assert (tmp_path / "kafka.ivy.log").read_text() == "no route to Central\n"
    assert (tmp_path / "kafka.ivy-cache").is_dir()
    assert not (tmp_path / "jars.stamp").exists()


def test_a_fetch_that_does_not_end_is_worth_a_retry(small_lock, tmp_path, monkeypatch):
    monkeypatch.setattr(jars_module, "FETCH_SECONDS", 0.2)
    java = fake_java(tmp_path, "exec sleep 60")
    with pytest.raises(ServiceUnavailable, match="try again"):
        ensure_jars(tmp_path, java)


def test_ivy_looks_at_central_alone():
    """Not into ~/.m2, which may hold poms without their jars."""
    settings = ET.parse(jars_module.HERE / "ivysettings.xml").getroot()  # noqa: S314
    resolvers = settings.find("resolvers")
    assert [(one.tag, one.get("name"), one.get("root")) for one in resolvers] == [
        ("ibiblio", "central", None)
    ]
    assert settings.find("caches").get("defaultCacheDir") == "${nocturne.ivy.cache}"


def test_pyspark_ships_the_ivy_that_fetches():
    assert list((pyspark_folder() / "jars").glob("ivy-*.jar"))
    assert shutil.which("spark-submit", path=str(pyspark_folder() / "bin"))
