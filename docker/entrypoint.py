"""Give a container its addresses as settings and Airflow connections, then become the command.

    entrypoint.py airflow scheduler

A password may hold any character, and docker-compose.yaml cannot quote one for an address or for
JSON; so AIRFLOW_CONN_KAFKA_DEFAULT, _MONGO_DEFAULT and _SPARK_DEFAULT are made here, from the
same settings and by the same code as on the embedded stack. A variable that is set already stays.
"""

import os
import sys
from collections.abc import Mapping
from urllib.parse import quote

from nocturne.settings import load_settings
from nocturne.stack.airflow import connections, lineage_options
from nocturne.stack.services import MONGO_USER, REPLICA_SET


def mongo_uri(environment: Mapping[str, str]) -> str:
    """The address of the replica set whose member MONGO_HOST is, with the login quoted."""
    password = quote(environment["MONGO_PASSWORD"], safe="")
    host = environment["MONGO_HOST"]
    return f"mongodb://{MONGO_USER}:{password}@{host}/?replicaSet={REPLICA_SET}&authSource=admin"


def main(command: list[str]) -> None:
    if os.environ.get("MONGO_PASSWORD"):
        os.environ.setdefault("NOCTURNE_MONGO_URI", mongo_uri(os.environ))
    settings = load_settings()
    for name, value in {**connections(settings), **lineage_options(settings)}.items():
        os.environ.setdefault(name, value)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
