import json

import pytest
from pymongo.uri_parser import parse_uri

from nocturne.settings import Settings
from nocturne.stack.airflow import connections
from nocturne_airflow.services import (
    kafka_config,
    mongo_uri,
    open_client,
    open_database,
    task_settings,
)

URI = "mongodb://nocturne:secret@h1:27017,h2:27018/?authSource=admin&replicaSet=rs0"


@pytest.fixture
def connect(monkeypatch, settings_of_nobody):
    """Give the connections as the stack does, for some addresses."""

    def give(mongo: str = URI, kafka: str = "broker:9092") -> None:
        settings = Settings(mongo_uri=mongo, kafka_bootstrap=kafka)
        for name, value in connections(settings).items():
            monkeypatch.setenv(name, value)

    return give


def give_mongo(monkeypatch, **parts: object) -> None:
    """A connection as a person writes it in the UI."""
    connection = {"conn_type": "mongo", "host": "h", "port": 27017, **parts}
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize(
    "uri",
    [
        URI,
        "mongodb://127.0.0.1:27017/",
        "mongodb://127.0.0.1:27017/?replicaSet=nocturne&directConnection=true",
        "mongodb://n:p%40s%2Fs%3Aw%25o%2Brd%3F@h:27017/?authSource=admin&tls=true",
        "mongodb://h:27017/music?retryWrites=false",
        "mongodb://h/?appName=my+music%26more",
    ],
)
def test_an_address_survives_airflows_connection(connect, uri):
    connect(mongo=uri)
    assert parse_uri(mongo_uri()) == parse_uri(uri)


def test_an_srv_address_survives(connect):
    uri = "mongodb+srv://n:secret@cluster.example.org/?authSource=admin"
    connect(mongo=uri)
    assert mongo_uri() == uri


@pytest.mark.parametrize("name", ["ssl", "tls"])
@pytest.mark.parametrize("value", [True, "true"])
def test_tls_of_the_connection_is_not_lost(monkeypatch, name, value):
    give_mongo(monkeypatch, extra={name: value})
    assert parse_uri(mongo_uri())["options"] == {"tls": True}


def test_tls_without_certificates_is_still_tls(monkeypatch):
    give_mongo(monkeypatch, extra={"ssl": True, "allow_insecure": True})
    options = parse_uri(mongo_uri())["options"]
    assert options == {"tls": True, "tlsAllowInvalidCertificates": True}


def test_numbers_and_parts_written_by_hand(monkeypatch):
    give_mongo(
        monkeypatch, login="u", password="p@ss", schema="music", extra={"connectTimeoutMS": 3000}
    )
    parsed = parse_uri(mongo_uri())
    assert parsed["nodelist"] == [("h", 27017)]
    assert (parsed["username"], parsed["password"], parsed["database"]) == ("u", "p@ss", "music")
    assert parsed["options"] == {"connectTimeoutMS": 3.0}


def test_the_kafka_connection_is_a_clients_configuration(connect):
    connect(kafka="b1:9092,b2:9092")
    assert kafka_config() == {
        "bootstrap.servers": "b1:9092,b2:9092",
        "group.id": "nocturne",
        "enable.auto.commit": "false",
        "auto.offset.reset": "earliest",
    }


def test_connections_stand_above_settings(connect, monkeypatch):
    monkeypatch.setenv("NOCTURNE_MONGO_URI", "mongodb://other/")
    monkeypatch.setenv("NOCTURNE_MONGO_DATABASE", "elsewhere")
    connect()
    settings = task_settings()
    assert parse_uri(settings.mongo_uri) == parse_uri(URI)
    assert settings.kafka_bootstrap == "broker:9092"
    assert settings.mongo_database == "elsewhere"


def test_clients_are_closed_behind_the_task(connect, monkeypatch):
    monkeypatch.setenv("NOCTURNE_MONGO_DATABASE", "elsewhere")
    connect(mongo="mongodb://127.0.0.1:1/")
    with open_client() as (client, settings):
        assert settings.mongo_database == "elsewhere"
    with open_database() as (database, _):
        assert database.name == "elsewhere"
    for closed in (client, database.client):
        with pytest.raises(Exception, match="after close"):
            closed.admin.command("ping")


def test_a_password_with_a_blank_is_spelled_for_every_driver(monkeypatch):
    give_mongo(monkeypatch, login="u", password="a b+c")
    assert mongo_uri().startswith("mongodb://u:a%20b%2Bc@h")
