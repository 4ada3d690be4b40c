"""The night's own steps in processes, as the benches start them; without Spark's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_candidates import NIGHT, fill_library, train

from nocturne.bench.retraining import land_filled
from nocturne.recommend.candidates import ModelFolder
from nocturne.stack.services import find_services
from nocturne.stack.stack import settings_environment
from nocturne.store.versions import is_whole, live_version, require_version

pytestmark = pytest.mark.integration
# What a step leaves unloaded, in the process that runs it.
HEAVY = ["faiss", "kneed", "librosa", "numba", "pandera", "plotly", "pyspark", "sklearn"]
RUN = f"""
import json, sys
from nocturne.bench.retraining import main
main(sys.argv[1:])
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


@pytest.fixture
def settings(servers, database, tmp_path):
    own = {"home": tmp_path, "mongo_database": database.name, "k_min": 2, "k_max": 3}
    return find_services(servers).model_copy(update=own)


def run_step(settings, step):
    """What the step said at its end, and the heavy modules that its process had loaded."""
    command = [sys.executable, "-c", RUN, NIGHT.data_date, step]
    environment = {**os.environ, **settings_environment(settings)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *_, ended, loaded = map(json.loads, done.stdout.splitlines())
    return ended, set(loaded)


def train_with_reasons(folder):
    """With what the page of the report tells of the choice."""
    train(folder)
    report = json.loads((folder.clusters / "report.json").read_text("utf-8"))
    report["chosen"] |= {"knee": 2, "reason": "the only one"}
    (folder.clusters / "report.json").write_text(json.dumps(report), "utf-8")


def test_a_night_in_processes(settings, database):
    fill_library(database)
    land_filled(settings, database)
    ended, loaded = run_step(settings, "plan")
    version = ended["version"]
    assert loaded == set()
    model = require_version(database, version)
    assert (model["run_id"], model["inputs"]["tracks"]) == ("bench", 12)
    assert model["inputs"]["recipe"]["k_max"] == 3
    train_with_reasons(ModelFolder(settings.models_dir / version))
    ended, loaded = run_step(settings, "build")
    assert ended["version"] == version
    assert not loaded & {"pandera", "plotly", "pyspark", "librosa"}
    assert is_whole(database, version)
    report = Path(settings.reports_dir / f"{version}.html")
    for step, state in (("check", "checked"), ("publish", "published")):
        assert run_step(settings, step)[1] <= {"plotly"}
        assert require_version(database, version)["state"] == state
        assert state in report.read_text("utf-8")
    assert live_version(database)["version"] == version
