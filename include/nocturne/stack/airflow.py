"""The embedded Airflow: its environment and its four processes."""

import json
import os
import subprocess
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit
from urllib.request import urlopen

from nocturne.errors import NocturneError
from nocturne.settings import PROJECT, Settings
from nocturne.stack.jars import pyspark_folder
from nocturne.stack.passwords import Passwords, write_private
from nocturne.stack.ports import HOST, Ports

ADMIN = "admin"
# Without their own log servers, which would listen on every interface: the logs are files here.
PROCESSES = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
# Variables by which a user's own Airflow, Python and Spark would become part of ours.
FOREIGN_PREFIXES = ("AIRFLOW", "NOCTURNE_", "PYTHON")
FOREIGN = {"SPARK_HOME", "PYSPARK_DRIVER_PYTHON", "PYSPARK_DRIVER_PYTHON_OPTS"}
BIN = Path(sys.executable).parent
LONGEST_REPORT = 1_000_000
"""Bytes of a health report; Airflow's has some 500."""


def airflow_command(process: str) -> list[str]:
    take_over = [sys.executable, "-P", "-m", "nocturne.stack.take_over"]
    return [*take_over, str(BIN / "airflow"), *PROCESSES[process]]


def clean_environment() -> dict[str, str]:
    """This process's variables without those of a user's own Airflow, Python and Spark."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN_PREFIXES) and name not in FOREIGN
    }


def airflow_environment(
    settings: Settings, ports: Ports, passwords: Passwords, java: Path
) -> dict[str, str]:
    """The variables that make Airflow ours, beside those of `clean_environment`."""
    url = f"http://{HOST}:{ports.airflow}"
    home = settings.stack_dir / "airflow"
    return {
        "AIRFLOW_HOME": str(home),
        **core_options(home, url),
        **secret_options(home, passwords),
        **server_options(ports, url),
        **connections(settings),
        **lineage_options(settings),
        **spark_options(settings),
        "JAVA_HOME": str(java.parent.parent),
        "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
    }


def core_options(home: Path, url: str) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # 32 workers are forked otherwise.
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        # How soon a new DAG file is seen, and an edited one read again, in seconds.
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        # A task that Airflow's death orphaned is found after this many seconds.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }


def secret_options(home: Path, passwords: Passwords) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__FERNET_KEY": passwords.airflow_fernet,
        "AIRFLOW__API__SECRET_KEY": passwords.airflow_api,
        "AIRFLOW__API_AUTH__JWT_SECRET": passwords.airflow_jwt,
    }


def server_options(ports: Ports, url: str) -> dict[str, str]:
    return {
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
    }


def connections(settings: Settings) -> dict[str, str]:
    """The addresses of the settings as Airflow connections."""
    kafka = {
        "bootstrap.servers": settings.kafka_bootstrap,
        "group.id": "nocturne",
        "enable.auto.commit": "false",
        "auto.offset.reset": "earliest",
    }
    return {
        "AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"conn_type": "kafka", "extra": kafka}),
        "AIRFLOW_CONN_MONGO_DEFAULT": json.dumps(mongo_connection(settings.mongo_uri)),
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(
            {"conn_type": "spark", "host": settings.spark_master}
        ),
    }


def mongo_connection(uri: str) -> dict[str, Any]:
    """A MongoDB address in the parts that Airflow's MongoHook puts together again."""
    parts = urlsplit(uri)
    credentials, _, hosts = parts.netloc.rpartition("@")
    login, _, password = credentials.partition(":")
    extra: dict[str, Any] = dict(parse_qsl(parts.query))
    if parts.scheme == "mongodb+srv":
        extra["srv"] = True
    return {
        "conn_type": "mongo",
        "host": hosts,
        "login": unquote_plus(login) or None,
        "password": unquote_plus(password) or None,
        "schema": parts.path.lstrip("/") or None,
        "extra": extra,
    }


def lineage_options(settings: Settings) -> dict[str, str]:
    transport: dict[str, Any] = {
        "type": "file",
        "log_file_path": str(settings.lineage_dir / "airflow.jsonl"),
        "append": True,
    }
    if settings.lineage_url:
        transport = {"type": "http", "url": settings.lineage_url}
    return {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "nocturne",
    }


def spark_options(settings: Settings) -> dict[str, str]:
    """Our Spark for its drivers; where it is local, nothing of it listens beyond this machine."""
    options = {"SPARK_HOME": str(pyspark_folder())}
    if settings.spark_master.startswith("local"):
        options |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": HOST}
    return options


def prepare_airflow(environment: dict[str, str], passwords: Passwords) -> None:
    """Write the password file and bring Airflow's database to its newest schema."""
    home = Path(environment["AIRFLOW_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    write_private(home / "passwords.json", json.dumps({ADMIN: passwords.airflow_admin}))
    done = subprocess.run(
        [BIN / "airflow", "db", "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NocturneError(f"`airflow db migrate` failed: {done.stdout}{done.stderr}")


def is_airflow_healthy(url: str) -> bool:
    """Do the server, its database, the scheduler, the DAG processor and the triggerer say so?"""
    try:
        with urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310
            return is_all_healthy(answer.read(LONGEST_REPORT).decode())
    # Nobody there or an answer that is an error, no HTTP, no address or no text.
    except (OSError, HTTPException, ValueError):
        return False


def is_all_healthy(answer: str) -> bool:
    """Is this the health report of an Airflow whose parts are all well?"""
    try:
        parts = json.loads(answer)
    except ValueError:
        return False
    return isinstance(parts, dict) and all(
        isinstance(part, dict) and part.get("status") == "healthy" for part in parts.values()
    )
