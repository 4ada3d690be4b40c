"""docker-compose.yaml and what stands beside it: as much as can be seen without a container engine.

The rendered file is asked of `docker-compose config` where that is installed (.ci/packages).
"""

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from nocturne.settings import PROJECT, Settings, load_settings
from nocturne.stack.services import MONGO_USER, REPLICA_SET

COMPOSE = (PROJECT / "docker-compose.yaml").read_text("utf-8")
EXAMPLE = (PROJECT / ".env.example").read_text("utf-8")
DOCKERFILE = (PROJECT / "Dockerfile").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
# A variable of Compose, and what stands behind its name: `:-default`, `:?message` or nothing.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)([^}]*)\}")
AWKWARD_PASSWORD = "p@ss:w/o\"r\\d'%?#&+=[] ü"
AWKWARD_IN_ENV = 'p@ss:w/o"r%?#&+= x'
FOLDERS = ("AUDIO_DIR", "METADATA_DIR")
# Known before a container starts, or made in it.
NOT_IN_COMPOSE = {"NOCTURNE_HOME", "NOCTURNE_RUNTIME", "NOCTURNE_MONGO_URI", "NOCTURNE_AIRFLOW_URL"}


def load_script(name: str) -> ModuleType:
    """A script of docker/, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(f"docker_{name}", PROJECT / f"docker/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_env = load_script("make_env")
REQUIRED = (*make_env.SECRETS, *FOLDERS)


def read_example() -> dict[str, str]:
    """The variables of .env.example, those that are commented out included."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def find_settings() -> dict[str, str | None]:
    """The NOCTURNE_ variables that Airflow's containers are given."""
    given = SERVICES["airflow-scheduler"]["environment"]
    return {name: value for name, value in given.items() if name.startswith("NOCTURNE_")}


def name_variables() -> set[str]:
    return {f"NOCTURNE_{name.upper()}" for name in Settings.model_fields}


# The file itself


def test_a_secret_has_no_default():
    behind = [(name, rest) for name, rest in VARIABLE.findall(COMPOSE) if name in REQUIRED]
    assert {name for name, _ in behind} == set(REQUIRED)
    for name, rest in behind:
        assert rest.startswith(f":?set {name} in .env"), f"{name}{rest}"
    assert all(read_example()[name] == "" for name in REQUIRED)


def test_whatever_is_called_a_secret_is_one():
    """Nothing that looks like a password stands in the file, or comes with a default."""
    looks_secret = re.compile(r"PASSWORD$|SECRET|_KEY$")
    assert {name for name in read_example() if looks_secret.search(name)} == set(make_env.SECRETS)
    for service in SERVICES.values():
        for name, value in (service.get("environment") or {}).items():
            if looks_secret.search(name):
                assert VARIABLE.fullmatch(str(value)), f"{name}: {value}"


def test_every_port_is_published_on_this_host_only():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:") for port in ports), ports


def test_every_image_is_pinned_to_a_version():
    images = {service["image"] for service in SERVICES.values()}
    base = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in [*images, *base]:
        assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z-]+)?$", image), image
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {image for image in images if image.startswith("nocturne")} == {f"nocturne:{version}"}


def test_every_variable_is_in_the_example_and_used():
    used = {name for name, _ in VARIABLE.findall(COMPOSE)}
    used |= {name for name, value in find_settings().items() if value is None}
    assert used == set(read_example())


def test_every_setting_reaches_the_containers():
    """A new setting wants a line in x-settings of docker-compose.yaml and in .env.example."""
    assert set(find_settings()) == name_variables() - NOT_IN_COMPOSE
    assert name_variables() >= NOT_IN_COMPOSE


def test_settings_in_the_example_are_commented_out_and_show_the_default():
    shown = {name: value for name, value in read_example().items() if name in name_variables()}
    defaults = {f"NOCTURNE_{n.upper()}": f.default for n, f in Settings.model_fields.items()}
    assert shown == {name: str(defaults[name]) for name in shown}
    assert not re.search(r"^NOCTURNE_", EXAMPLE, re.MULTILINE)


def test_whoever_waits_waits_for_health_or_for_the_end():
    for name, service in SERVICES.items():
        lasting = service["restart"] != "no"
        assert lasting == ("healthcheck" in service), name
        for needed, how in service.get("depends_on", {}).items():
            ends = SERVICES[needed]["restart"] == "no"
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert how["condition"] == wanted, f"{name} waits for {needed}"


def test_music_is_read_only_and_at_the_same_place_for_drivers_and_workers():
    music = [volume for volume in SERVICES["spark-worker"]["volumes"] if "/music/" in volume]
    assert len(music) == 2
    assert all(volume.endswith(":ro") for volume in music)
    scheduler = SERVICES["airflow-scheduler"]
    assert set(SERVICES["spark-worker"]["volumes"]) <= set(scheduler["volumes"])
    assert scheduler["image"] == SERVICES["spark-worker"]["image"]
    settings = find_settings()
    for name in FOLDERS:
        folder = settings[f"NOCTURNE_{name}"]
        assert any(f"}}:{folder}:ro" in volume for volume in music)


def test_scripts_that_containers_start_are_there():
    started = re.findall(r"/opt/nocturne/(\S+?\.py)", COMPOSE + DOCKERFILE)
    started += re.findall(r"python (docker/\S+\.py)", DOCKERFILE)
    assert len(set(started)) == 5
    assert all((PROJECT / path).is_file() for path in started)


def test_the_image_is_given_what_it_copies():
    """`.dockerignore` refuses all but what it names; .env must not be named."""
    named = set(re.findall(r"^!(\S+)", (PROJECT / ".dockerignore").read_text("utf-8"), re.M))
    copied = {
        source
        for line in re.findall(r"^COPY (.+)", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == named
    assert all((PROJECT / name).exists() for name in named)
    # Git keeps no empty folder, and COPY fails without one.
    assert ("plugins" in copied) == any((PROJECT / "plugins").glob("*.py"))


def test_the_lock_has_the_drivers_of_airflows_database():
    """Airflow opens the address twice: as it stands, and with asyncpg."""
    address = SERVICES["airflow-scheduler"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert address.startswith("postgresql+psycopg2://")
    lock = (PROJECT / "requirements.txt").read_text("utf-8")
    assert set(re.findall(r"^(psycopg2-binary|asyncpg)==", lock, re.M)) == {
        "psycopg2-binary",
        "asyncpg",
    }


def test_the_replica_set_is_the_one_that_the_product_knows():
    assert f"--replSet {REPLICA_SET} " in SERVICES["mongo"]["command"][0]


# As docker-compose reads it


def make_folder(folder: Path) -> Path:
    """A project folder with the file and a .env whose secrets are generated."""
    for name in ("docker-compose.yaml", ".env.example"):
        shutil.copy(PROJECT / name, folder)
    make_env.main(folder)
    set_variables(folder, AUDIO_DIR="/srv/audio", METADATA_DIR="/srv/metadata")
    return folder


def set_variables(folder: Path, **values: str) -> None:
    env = folder / ".env"
    text = env.read_text("utf-8")
    for name, value in values.items():
        text = re.sub(rf"^#?{name}=.*$", lambda _, n=name, v=value: f"{n}={v}", text, flags=re.M)
    env.write_text(text, encoding="utf-8")


def render(folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("docker-compose is not installed (.ci/packages names it)")
    return subprocess.run(
        [program, "config"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> dict[str, Any]:
    """The services, with some settings and two awkward passwords; rendered once, for it is slow."""
    folder = make_folder(tmp_path_factory.mktemp("compose"))
    set_variables(folder, AIRFLOW_PORT="8888", NOCTURNE_NEIGHBOURS="33")
    quoted = f"'{AWKWARD_IN_ENV}'"
    set_variables(folder, MONGO_PASSWORD=quoted, POSTGRES_PASSWORD=quoted)
    done = render(folder)
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return services


def test_docker_compose_takes_the_file(rendered):
    assert set(rendered) >= set(SERVICES) - {"cli"}
    scheduler = rendered["airflow-scheduler"]["environment"]
    assert scheduler["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8888"
    assert str(scheduler["NOCTURNE_NEIGHBOURS"]) == "33"
    assert scheduler.get("NOCTURNE_K_MAX") is None


def test_docker_compose_leaves_an_awkward_password_alone(rendered):
    scheduler = rendered["airflow-scheduler"]["environment"]
    assert scheduler["MONGO_PASSWORD"] == scheduler["PGPASSWORD"] == AWKWARD_IN_ENV


@pytest.mark.parametrize("name", REQUIRED)
def test_docker_compose_says_what_is_missing(tmp_path, name):
    """A rendering each: it stops at the first that is missing."""
    folder = make_folder(tmp_path)
    set_variables(folder, **{name: ""})
    done = render(folder)
    assert done.returncode != 0
    assert f"set {name} in .env" in done.stderr


# The scripts of docker/


def test_make_env_generates_each_secret_anew_for_its_owner_alone(tmp_path):
    written = []
    for name in ("first", "second"):
        project = tmp_path / name
        project.mkdir()
        (project / ".env.example").write_text(EXAMPLE, encoding="utf-8")
        make_env.main(project)
        assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
        written.append(dict(re.findall(r"^(\w+)=(.*)$", (project / ".env").read_text(), re.M)))
    first, second = written
    for name in make_env.SECRETS:
        assert len(first[name]) >= 24
        assert first[name] != second[name]
    assert first["AUDIO_DIR"] == ""
    Fernet(first["AIRFLOW_FERNET_KEY"].encode())


def test_make_env_leaves_a_file_that_is_there(tmp_path):
    (tmp_path / ".env.example").write_text(EXAMPLE, encoding="utf-8")
    (tmp_path / ".env").write_text("MONGO_PASSWORD=kept\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="there already"):
        make_env.main(tmp_path)
    assert (tmp_path / ".env").read_text() == "MONGO_PASSWORD=kept\n"


def enter(**variables: str) -> dict[str, str]:
    """The environment that a command has behind the entry point."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [sys.executable, PROJECT / "docker/entrypoint.py", sys.executable, "-c", show],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_entry_point_makes_the_connections(tmp_path):
    found = enter(
        NOCTURNE_HOME=str(tmp_path),
        NOCTURNE_KAFKA_BOOTSTRAP="kafka:9092",
        NOCTURNE_SPARK_MASTER="spark://spark-master:7077",
        MONGO_HOST="mongo:27017",
        MONGO_PASSWORD=AWKWARD_PASSWORD,
    )
    kafka = json.loads(found["AIRFLOW_CONN_KAFKA_DEFAULT"])
    assert kafka["extra"]["bootstrap.servers"] == "kafka:9092"
    mongo = json.loads(found["AIRFLOW_CONN_MONGO_DEFAULT"])
    assert (mongo["login"], mongo["password"]) == (MONGO_USER, AWKWARD_PASSWORD)
    assert mongo["host"] == "mongo:27017"
    spark = json.loads(found["AIRFLOW_CONN_SPARK_DEFAULT"])
    assert spark["host"] == "spark://spark-master:7077"
    parsed = parse_uri(found["NOCTURNE_MONGO_URI"])
    assert (parsed["username"], parsed["password"]) == (MONGO_USER, AWKWARD_PASSWORD)
    assert parsed["options"]["replicaSet"] == REPLICA_SET
    assert str(tmp_path) in found["AIRFLOW__OPENLINEAGE__TRANSPORT"]


def test_the_entry_point_leaves_what_is_set(tmp_path):
    kafka = json.dumps({"conn_type": "kafka", "extra": {"security.protocol": "SASL_SSL"}})
    found = enter(
        NOCTURNE_HOME=str(tmp_path),
        NOCTURNE_MONGO_URI="mongodb://db.example/",
        MONGO_HOST="mongo:27017",
        MONGO_PASSWORD="unused",
        AIRFLOW_CONN_KAFKA_DEFAULT=kafka,
    )
    assert found["AIRFLOW_CONN_KAFKA_DEFAULT"] == kafka
    assert json.loads(found["AIRFLOW_CONN_MONGO_DEFAULT"])["host"] == "db.example"


def test_airflow_is_prepared(tmp_path):
    """With an airflow that only notes what it is asked for."""
    asked = tmp_path / "asked"
    (tmp_path / "airflow").write_text(f'#!/bin/sh\necho "$@" >>{asked}\n', encoding="utf-8")
    (tmp_path / "airflow").chmod(0o755)
    passwords = tmp_path / "passwords.json"
    subprocess.run(
        [sys.executable, PROJECT / "docker/prepare_airflow.py"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "NOCTURNE_HOME": str(tmp_path / "home"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW_ADMIN_PASSWORD": AWKWARD_PASSWORD,
            "SPARK_POOL_SLOTS": "2",
            "MONGO_POOL_SLOTS": "5",
        },
        check=True,
    )
    assert json.loads(passwords.read_text("utf-8")) == {"admin": AWKWARD_PASSWORD}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    assert (tmp_path / "home/lineage").is_dir()
    migrate, spark, mongo = asked.read_text("utf-8").splitlines()
    assert migrate == "db migrate"
    assert spark.startswith("pools set spark 2 ")
    assert mongo.startswith("pools set mongo 5 ")


class HealthPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"scheduler": {"status": "healthy"}, "triggerer": {"status": null}}')

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def health_page() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), HealthPage) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def ask_health(page: str, field: str) -> int:
    command = [sys.executable, PROJECT / "docker/is_healthy.py", page, field, "healthy"]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_health_is_what_the_page_says(health_page, free_port):
    assert ask_health(health_page, "scheduler.status") == 0
    assert ask_health(health_page, "triggerer.status") == 1
    assert ask_health(health_page, "absent.status") == 1
    assert ask_health(f"http://127.0.0.1:{free_port}/", "scheduler.status") == 1


@pytest.fixture
def bare_mongo(home, tmp_path, free_port) -> Iterator[str]:
    """A mongod as the container starts it: a key file, and neither a set nor a user."""
    from nocturne.stack.mongod import mongod_command
    from nocturne.stack.passwords import write_private
    from nocturne.stack.setup import set_up

    settings = load_settings()
    set_up(settings, print)
    write_private(tmp_path / "keyfile", "k" * 64)
    (tmp_path / "data").mkdir()
    command = [*mongod_command(settings.runtime), "--replSet", REPLICA_SET, "--nounixsocket"]
    command += ["--keyFile", str(tmp_path / "keyfile"), "--dbpath", str(tmp_path / "data")]
    log = ["--logpath", str(tmp_path / "log")]
    with subprocess.Popen([*command, *log, "--port", str(free_port)]) as server:
        with MongoClient(f"mongodb://127.0.0.1:{free_port}/?directConnection=true") as client:
            client.admin.command("ping")
        yield f"127.0.0.1:{free_port}"
        server.terminate()


@pytest.mark.integration
def test_the_replica_set_is_founded_once(bare_mongo, monkeypatch, capsys):
    found = load_script("found_replica_set")
    monkeypatch.setenv("MONGO_HOST", bare_mongo)
    monkeypatch.setenv("MONGO_PASSWORD", AWKWARD_PASSWORD)
    found.main(bare_mongo)
    found.main(bare_mongo)
    assert "already" in capsys.readouterr().out
    entrypoint = load_script("entrypoint")
    with MongoClient(entrypoint.mongo_uri(os.environ)) as client:
        with client.start_session() as session, session.start_transaction():
            client["trial"]["things"].insert_one({}, session=session)
        assert client.primary is not None
    monkeypatch.setenv("MONGO_PASSWORD", "another")
    with pytest.raises(SystemExit, match="another MONGO_PASSWORD"):
        found.main(bare_mongo)
