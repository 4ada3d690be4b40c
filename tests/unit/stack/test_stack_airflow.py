import importlib.util
import json
import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pymongo.uri_parser import parse_uri

from nocturne.errors import NocturneError
from nocturne.settings import Settings
from nocturne.stack import airflow
from nocturne.stack.airflow import (
    airflow_environment,
    clean_environment,
    connections,
    is_airflow_healthy,
    is_all_healthy,
    mongo_connection,
    prepare_airflow,
)
from nocturne.stack.passwords import Passwords
from nocturne.stack.ports import Ports

JAVA = Path("/jdk/bin/java")
PASSWORDS = Passwords()
ADDRESSES = [
    "mongodb://nocturne:s3cret@127.0.0.1:27017/?replicaSet=nocturne&authSource=admin",
    "mongodb://db.example",
    "mongodb://db.example:27018/music?tls=true&retryWrites=false",
    "mongodb://a.example:1,b.example:2,c.example/?replicaSet=rs0&readPreference=secondary",
    "mongodb://ana%40example:p%40ss%2Fw%3Ard%20%C3%A9@db.example/",
    "mongodb://db.example/?tls=true&tlsAllowInvalidCertificates=true&maxPoolSize=7",
    "mongodb://[::1]:27017/?directConnection=true",
]
ASK_HOOK = """
import json, os, sys
from nocturne_airflow.services import mongo_uri
for connection in json.load(sys.stdin):
    os.environ["AIRFLOW_CONN_MONGO_DEFAULT"] = json.dumps(connection)
    print(json.dumps(mongo_uri()))
"""


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        home=tmp_path,
        kafka_bootstrap="127.0.0.1:9092",
        mongo_uri=ADDRESSES[0],
        airflow_url="http://127.0.0.1:1234",
    )


@pytest.fixture
def environment(settings) -> dict[str, str]:
    return airflow_environment(settings, Ports(airflow=1234), PASSWORDS, JAVA)


def known_options() -> set[str]:
    """The variables of every option of Airflow and its OpenLineage provider, by their own lists."""
    (package,) = importlib.util.find_spec("airflow").submodule_search_locations
    core = yaml.safe_load((Path(package) / "config_templates/config.yml").read_text("utf-8"))
    provider = Path(package) / "providers/openlineage/get_provider_info.py"
    lineage = runpy.run_path(str(provider))["get_provider_info"]()["config"]
    return {
        f"AIRFLOW__{section.upper()}__{option.upper()}"
        for section, content in {**core, **lineage}.items()
        for option in content["options"]
    }


def test_every_option_is_one_that_airflow_knows(environment):
    given = {name for name in environment if name.startswith("AIRFLOW__")}
    assert len(given) > 20
    assert given <= known_options()


def test_every_other_variable_of_airflow_is_a_connection_or_the_home(environment):
    other = {
        name
        for name in environment
        if name.startswith("AIRFLOW") and not name.startswith("AIRFLOW__")
    }
    assert other == {
        "AIRFLOW_HOME",
        "AIRFLOW_CONN_KAFKA_DEFAULT",
        "AIRFLOW_CONN_MONGO_DEFAULT",
        "AIRFLOW_CONN_SPARK_DEFAULT",
    }


def test_airflow_lives_in_the_stack_folder_and_listens_here_alone(environment, settings):
    home = settings.stack_dir / "airflow"
    assert environment["AIRFLOW_HOME"] == str(home)
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home}/airflow.db"
    assert environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] == str(home / "logs")
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__API__PORT"] == "1234"
    assert (
        environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:1234/execution/"
    )


def test_programs_are_those_of_this_environment(environment):
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["JAVA_HOME"] == "/jdk"


def test_a_users_own_airflow_python_and_spark_stay_out(monkeypatch, environment):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    foreign = {
        "AIRFLOW_HOME": "/srv/ana/airflow",
        "AIRFLOW__CORE__AUTH_MANAGER": "ana.Manager",
        "AIRFLOW_CONN_MONGO_DEFAULT": "mongodb://production",
        "SPARK_HOME": "/opt/spark-2.4",
        "PYSPARK_DRIVER_PYTHON": "jupyter",
        "PYSPARK_DRIVER_PYTHON_OPTS": "notebook",
        "PYTHONPATH": "/srv/ana/lib",
        "PYTHONHOME": "/usr",
        "NOCTURNE_FORGOTTEN": "1",
    }
    kept = {"HADOOP_CONF_DIR": "/etc/hadoop", "HTTPS_PROXY": "http://proxy", "LANG": "de_DE.UTF-8"}
    os.environ.update(foreign | kept)
    clean = clean_environment()
    assert not foreign.keys() & clean.keys()
    assert kept.items() <= clean.items()
    assert Path(environment["SPARK_HOME"], "bin/spark-submit").is_file()


@pytest.mark.parametrize(("master", "local"), [("local[2]", True), ("spark://cluster:7077", False)])
def test_a_local_spark_listens_here_alone(settings, master, local):
    elsewhere = settings.model_copy(update={"spark_master": master})
    environment = airflow_environment(elsewhere, Ports(), PASSWORDS, JAVA)
    assert (environment.get("SPARK_LOCAL_IP") == "127.0.0.1") is local
    assert (environment.get("PYSPARK_PYTHON") == sys.executable) is local
    spark = json.loads(environment["AIRFLOW_CONN_SPARK_DEFAULT"])
    assert spark == {"conn_type": "spark", "host": master}


def test_the_kafka_connection_commits_nothing_by_itself(settings):
    kafka = json.loads(connections(settings)["AIRFLOW_CONN_KAFKA_DEFAULT"])
    assert kafka["conn_type"] == "kafka"
    assert kafka["extra"]["bootstrap.servers"] == settings.kafka_bootstrap
    assert kafka["extra"]["enable.auto.commit"] == "false"


def test_lineage_goes_to_a_file(environment, settings):
    transport = json.loads(environment["AIRFLOW__OPENLINEAGE__TRANSPORT"])
    assert transport["type"] == "file"
    assert transport["log_file_path"] == str(settings.lineage_dir / "airflow.jsonl")


def test_a_mongo_connection_without_credentials_has_none():
    connection = mongo_connection("mongodb://db.example/music?w=majority")
    assert connection == {
        "conn_type": "mongo",
        "host": "db.example",
        "login": None,
        "password": None,
        "schema": "music",
        "extra": {"w": "majority"},
    }


def test_an_srv_address_is_told_to_the_hook():
    connection = mongo_connection("mongodb+srv://ana:pw@cluster.example/?retryWrites=true")
    assert connection["extra"] == {"retryWrites": "true", "srv": True}
    assert (connection["login"], connection["host"]) == ("ana", "cluster.example")


def test_a_mongo_address_survives_airflows_hook(tmp_path):
    """What tasks connect to is what the setting says, by the drivers' own reading of both."""
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK_HOOK],
        env=environment,
        cwd=tmp_path,
        input=json.dumps([mongo_connection(address) for address in ADDRESSES]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"mongodb')]
    assert [parse_uri(uri) for uri in found] == [parse_uri(uri) for uri in ADDRESSES]


@pytest.fixture
def fake_airflow(monkeypatch, tmp_path):
    """An `airflow` that notes how it was called, and ends as asked for."""

    def make(body: str) -> Path:
        (tmp_path / "bin").mkdir()
        command = tmp_path / "bin/airflow"
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
        monkeypatch.setattr(airflow, "BIN", tmp_path / "bin")
        return tmp_path / "home"

    return make


def test_airflow_is_prepared_with_its_own_variables_alone(fake_airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "foreign")
    home = fake_airflow('env >"$AIRFLOW_HOME/env"; echo "$@" >"$AIRFLOW_HOME/arguments"')
    prepare_airflow({"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"}, PASSWORDS)
    assert (home / "arguments").read_text() == "db migrate\n"
    assert "foreign" not in (home / "env").read_text()
    passwords = home / "passwords.json"
    assert json.loads(passwords.read_text()) == {"admin": PASSWORDS.airflow_admin}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_a_migration_that_fails_says_why(fake_airflow):
    home = fake_airflow("echo the database is of a newer version >&2; exit 1")
    with pytest.raises(NocturneError, match="is of a newer version"):
        prepare_airflow({"AIRFLOW_HOME": str(home)}, PASSWORDS)


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        ('{"scheduler": {"status": "healthy"}, "metadatabase": {"status": "healthy"}}', True),
        ('{"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}}', False),
        ('{"scheduler": {"status": null}}', False),
        ('{"scheduler": null}', False),
        ("[]", False),
        ("<html>another server</html>", False),
    ],
)
def test_airflow_is_healthy_if_all_of_it_says_so(answer, healthy):
    assert is_all_healthy(answer) is healthy


def test_where_nobody_listens_airflow_is_not_healthy(free_port):
    assert not is_airflow_healthy(f"http://127.0.0.1:{free_port}")
