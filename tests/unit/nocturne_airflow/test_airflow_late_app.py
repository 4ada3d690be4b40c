"""What the plugin registers, and when it does the work."""

import json
import os
import shutil
import subprocess
import sys
from threading import Barrier, Thread

import pytest
from airflow._shared.module_loading import find_path_from_directory

from nocturne.settings import PROJECT
from nocturne_airflow.ui import LateApp, describe_views

PLUGINS = PROJECT / "plugins"
HEAVY = ("fastapi", "numpy", "pandas", "plotly", "pymongo", "confluent_kafka", "nocturne.web")


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
def test_airflow_reads_the_plugin_alone(tmp_path):
    """Whatever else stands beside it would be run, and be known by its bare name."""
    folder = tmp_path / "plugins"
    shutil.copytree(PLUGINS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "email.py").write_text("raise SystemExit\n", encoding="utf-8")
    (folder / "deeper").mkdir()
    (folder / "deeper/secrets.py").write_text("raise SystemExit\n", encoding="utf-8")
    found = find_path_from_directory(str(folder), ".airflowignore")
    assert list(found) == [str(folder / "nocturne_plugin.py")]


def test_loading_the_plugin_imports_nothing_heavy(tmp_path):
    """Every process of Airflow loads it."""
    show = "import json, sys, nocturne_plugin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", show],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    assert "nocturne_plugin" in modules
    assert not [name for name in HEAVY if name in modules]


def test_the_app_is_built_once():
    built = []
    together = Barrier(4)
    late = LateApp(lambda: built.append("app") or built)

    def ask():
        together.wait()
        assert late.find() is built

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["app"]


def test_what_cannot_be_built_is_tried_again():
    tries = iter([OSError("settings cannot be read"), None])

    def build():
        if error := next(tries):
            raise error
        return "app"

    late = LateApp(build)
    with pytest.raises(OSError, match="settings"):
        late.find()
    assert late.find() == "app"


def test_views_lead_to_where_airflow_is_reached(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://music.example/airflow/")
    views = describe_views()
    assert [(view["name"], view["destination"], view["href"]) for view in views] == [
        ("Nocturne", "nav", "/airflow/nocturne/"),
        ("Recommendations", "dag", "/airflow/nocturne/dags/{DAG_ID}"),
        ("Recommendations", "dag_run", "/airflow/nocturne/dags/{DAG_ID}/runs/{RUN_ID}"),
    ]
    assert len({view["url_route"] for view in views}) == 3, "Airflow leaves out doubled routes"
