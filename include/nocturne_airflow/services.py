"""The servers of a task: Airflow's connections, in the form that the product takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from airflow.sdk import BaseHook
from pymongo import MongoClient
from pymongo.database import Database

from nocturne.settings import Settings, load_settings
from nocturne.store.collections import connect

Document = dict[str, Any]
KAFKA, MONGO, SPARK = "kafka_default", "mongo_default", "spark_default"


def task_settings() -> Settings:
    """The settings, with the addresses that Airflow's connections give."""
    update = {"mongo_uri": mongo_uri(), "kafka_bootstrap": kafka_config()["bootstrap.servers"]}
    return load_settings().model_copy(update=update)


def spark_master() -> str:
    """Where jobs run, as the connection says: `local[2]`, `spark://host:7077`, `yarn` …"""
    connection = BaseHook.get_connection(SPARK)
    host = connection.host or "yarn"
    return f"{host}:{connection.port}" if connection.port else host


def kafka_config() -> dict[str, str]:
    """The configuration of a Kafka client, as the connection's extra field has it."""
    config: dict[str, str] = BaseHook.get_connection(KAFKA).extra_dejson
    return config


def mongo_uri() -> str:
    """The address of MongoDB with credentials and options, as drivers take it."""
    from airflow.providers.mongo.hooks.mongo import MongoHook

    hook = MongoHook(mongo_conn_id=MONGO)
    extras = dict(hook.extras)
    if hook.allow_insecure:  # the hook has taken `ssl` out then
        extras |= {"tls": True, "tlsAllowInvalidCertificates": True}
    options = urlencode({name: spell_option(value) for name, value in extras.items()})
    scheme, _, rest = hook.uri.partition("://")
    login, at, place = rest.rpartition("@")
    # The hook writes a blank as `+`, which Java's driver takes for a plus.
    address = f"{scheme}://{login.replace('+', '%20')}{at}{place}"
    if not hook.connection.schema:
        address += "/"
    return f"{address}?{options}" if options else address


def spell_option(value: Any) -> str:
    """JSON's true as addresses have it: drivers ignore `ssl=True` and connect without TLS."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextmanager
def open_client() -> Iterator[tuple[MongoClient[Document], Settings]]:
    """A MongoDB client and the settings to use it with."""
    settings = task_settings()
    with connect(settings) as client:
        yield client, settings


@contextmanager
def open_database() -> Iterator[tuple[Database[Document], Settings]]:
    """The database of the settings."""
    with open_client() as (client, settings):
        yield client[settings.mongo_database], settings
