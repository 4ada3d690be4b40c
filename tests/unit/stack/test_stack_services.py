import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from nocturne.errors import ServiceUnavailable
from nocturne.settings import Settings, load_settings
from nocturne.stack import stack
from nocturne.stack.passwords import Passwords
from nocturne.stack.ports import Ports
from nocturne.stack.services import find_services, locate_services
from nocturne.stack.stack import (
    describe_environment,
    describe_programs,
    needed_ports,
    read_status,
    settings_environment,
    stop_outdated,
    wait_until,
)

JAVA = Path("/jdk/bin/java")
PORTS = Ports(kafka=1111, kafka_controller=2222, mongo=3333, airflow=4444)
PASSWORDS = Passwords(mongo="s3cret")


@pytest.fixture
def settings(tmp_path) -> Settings:
    """A home whose Kafka is formatted already."""
    (tmp_path / "stack/kafka/data").mkdir(parents=True)
    (tmp_path / "stack/kafka/data/meta.properties").touch()
    return Settings(home=tmp_path)


def programs(settings: Settings) -> list[tuple[str, str]]:
    found = describe_programs(locate_services(settings, PORTS, PASSWORDS), PORTS, PASSWORDS, JAVA)
    return [(program.group, program.name) for program in found]


def test_servers_are_where_the_ports_say(settings):
    located = locate_services(settings, PORTS, PASSWORDS)
    assert located.kafka_bootstrap == "127.0.0.1:1111"
    assert located.mongo_uri.startswith("mongodb://nocturne:s3cret@127.0.0.1:3333/?")
    assert located.airflow_url == "http://127.0.0.1:4444"


def test_an_address_that_is_set_stays(settings):
    given = {"kafka_bootstrap": "k:1", "mongo_uri": "mongodb://m", "airflow_url": "http://a"}
    located = locate_services(settings.model_copy(update=given), PORTS, PASSWORDS)
    assert {name: getattr(located, name) for name in given} == given


def test_before_the_first_up_no_server_is_known(settings):
    assert find_services(settings) == settings


def test_the_stack_has_six_processes_and_airflow_stops_first(settings):
    assert programs(settings) == [
        ("servers", "kafka"),
        ("servers", "mongo"),
        ("airflow", "airflow-api-server"),
        ("airflow", "airflow-scheduler"),
        ("airflow", "airflow-dag-processor"),
        ("airflow", "airflow-triggerer"),
    ]


@pytest.mark.parametrize(
    ("name", "address", "left"),
    [
        ("kafka_bootstrap", "broker-1:9092,broker-2:9092", {"mongo", "airflow"}),
        ("mongo_uri", "mongodb+srv://cluster.example/", {"kafka", "airflow"}),
        ("airflow_url", "https://airflow.example", {"kafka", "mongo"}),
    ],
)
def test_a_server_whose_address_is_set_is_not_started(settings, name, address, left):
    started = programs(settings.model_copy(update={name: address}))
    assert {program.partition("-")[0] for _, program in started} == left
    assert not (settings.stack_dir / "mongo").exists() or "mongo" in left


def test_only_the_ports_of_what_is_started_are_needed():
    assert needed_ports(["kafka", "mongo"]) == ["kafka", "kafka_controller", "mongo"]
    assert needed_ports(["airflow-api-server", "airflow-scheduler"]) == ["airflow"]
    assert needed_ports([]) == []


def test_tasks_read_the_same_settings_from_their_environment(monkeypatch, settings):
    given = {
        "mongo_uri": "mongodb://a:b@c/?x=%20",
        "spark_master": "local[1]",
        "max_refused_share": 0.25,
        "k_max": 7,
        "audio_dir": Path("/music with blanks"),
    }
    original = settings.model_copy(update=given)
    for name, value in settings_environment(original).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == original


def test_a_folder_that_is_relative_to_the_command_line_is_not_to_the_task(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=tmp_path, audio_dir=Path("music"), runtime=Path("../runtime"))
    environment = settings_environment(settings)
    assert environment["NOCTURNE_AUDIO_DIR"] == str(tmp_path / "music")
    assert environment["NOCTURNE_RUNTIME"] == f"{tmp_path}/../runtime"
    assert "NOCTURNE_METADATA_DIR" not in environment


def test_processes_get_the_settings_and_nothing_of_a_users_airflow(monkeypatch, settings):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("NOCTURNE_K_MAX", "of the shell")
    monkeypatch.setenv("EDITOR", "vi")
    environment = describe_environment(settings, PORTS, PASSWORDS)
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environment["NOCTURNE_K_MAX"] == str(settings.k_max)
    assert environment["EDITOR"] == "vi"


class FakeSupervisor:
    def __init__(self, environment: dict[str, str] | None) -> None:
        self.started_with = environment

    def is_running(self) -> bool:
        return self.started_with is not None

    def environment(self) -> dict[str, str]:
        return self.started_with

    def stop(self) -> None:
        self.started_with = None


def test_a_stack_with_the_same_settings_goes_on(settings):
    environment = {**settings_environment(settings), "PATH": "/bin", "NOCTURNE_STACK": "/s"}
    supervisor = FakeSupervisor({**environment, "PATH": "/other", "TERM": "vt100"})
    stop_outdated(supervisor, environment, pytest.fail)
    assert supervisor.is_running()


@pytest.mark.parametrize(
    "change", [{"k_max": 3}, {"audio_dir": Path("/music")}, {"kafka_bootstrap": "broker:9092"}]
)
def test_a_stack_with_other_settings_is_stopped_and_says_which(settings, change):
    supervisor = FakeSupervisor(settings_environment(settings))
    said = []
    changed = settings.model_copy(update=change)
    stop_outdated(supervisor, settings_environment(changed), said.append)
    assert not supervisor.is_running()
    (name,) = change
    assert said == [f"starting anew with other settings: NOCTURNE_{name.upper()}"]


def test_what_does_not_run_is_not_outdated(settings):
    stop_outdated(FakeSupervisor(None), settings_environment(settings), pytest.fail)


def test_where_nothing_was_ever_up_nothing_runs_and_nothing_is_written(tmp_path):
    found = read_status(Settings(home=tmp_path / "new"))
    assert not found.running
    assert found.healthy == {"kafka": False, "mongo": False, "airflow": False}
    assert found.processes == []
    assert not (tmp_path / "new").exists()


def test_no_password_stands_in_the_status(settings, monkeypatch):
    monkeypatch.setattr(stack, "check_health", lambda _: {})
    found = read_status(locate_services(settings, PORTS, PASSWORDS))
    assert found.addresses["mongo"].startswith("127.0.0.1:3333/")
    assert "s3cret" not in str(found)


def test_waiting_ends_once_it_is_healthy(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), "Kafka", Path("/logs"))
    assert next(answers, None) is None


def test_what_does_not_become_healthy_is_told_with_its_logs(monkeypatch):
    clock = SimpleNamespace(monotonic=iter(range(0, 1000, 100)).__next__, sleep=lambda _: None)
    monkeypatch.setattr(stack, "time", clock)
    with pytest.raises(ServiceUnavailable, match=r"Kafka was not healthy .*/logs"):
        wait_until(lambda: False, "Kafka", Path("/logs"))


def test_the_project_holds_what_airflow_is_pointed_at(settings):
    environment = describe_environment(settings, PORTS, PASSWORDS)
    assert Path(environment["AIRFLOW__CORE__DAGS_FOLDER"], "nightly_recommendations.py").is_file()
    assert os.access(Path(environment["PATH"].split(":")[0], "spark-submit"), os.X_OK)
