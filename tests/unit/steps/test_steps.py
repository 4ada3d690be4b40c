import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nocturne.errors import BadInput
from nocturne.nights import night_of, parse_day
from nocturne.sample.library import MARKER, SAMPLE_VERSION
from nocturne.settings import load_settings
from nocturne.steps.library import choose_library, note_sent, read_sent
from nocturne.steps.version import choose_ks

NIGHT = night_of(parse_day("2026-11-18"))
NO_PARAMS = {"audio_folder": None, "metadata_folder": None, "k_min": None, "k_max": None}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    return tmp_path


def choose(**params: str) -> tuple[str, str]:
    audio, metadata = choose_library(load_settings(), {**NO_PARAMS, **params}, NIGHT)
    return str(audio), str(metadata)


def test_the_folders_of_the_parameters(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    monkeypatch.setenv("NOCTURNE_METADATA_DIR", "/library/metadata")
    assert choose(audio_folder="/a", metadata_folder="/m") == ("/a", "/m")


def test_the_folders_of_the_settings(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    monkeypatch.setenv("NOCTURNE_METADATA_DIR", "/library/metadata")
    assert choose() == ("/library/audio", "/library/metadata")


def test_the_sample_where_no_library_is_set(home):
    (home / "sample").mkdir()
    marker = {"sample_version": SAMPLE_VERSION}
    (home / "sample" / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    assert choose() == (str(home / "sample/audio"), str(home / "sample/metadata"))


@pytest.mark.parametrize("given", ["audio_folder", "metadata_folder"])
def test_half_a_library_is_refused(given):
    with pytest.raises(BadInput, match="both"):
        choose(**{given: "/a"})


def test_half_a_library_in_the_settings_is_refused(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    with pytest.raises(BadInput, match="/library/audio"):
        choose()


@pytest.mark.parametrize(
    ("params", "expected"),
    [({}, (2, 10)), ({"k_min": 4}, (4, 10)), ({"k_max": 3}, (2, 3)), ({"k_min": 10}, (10, 10))],
)
def test_the_range_of_k_is_that_of_the_parameters_or_the_settings(params, expected):
    assert choose_ks(load_settings(), {**NO_PARAMS, **params}) == expected


def test_what_was_sent_is_read_back(tmp_path):
    note_sent(tmp_path, pd.Series(["2", "10", "2"], dtype="string"))
    assert read_sent({"run_dir": str(tmp_path)}) == {"2", "10"}


def test_a_run_that_sent_nothing_is_read_back(tmp_path):
    note_sent(tmp_path, [])
    assert read_sent({"run_dir": str(tmp_path)}) == set()


HEAVY = {
    *("librosa", "numba", "scipy", "soundfile", "sklearn", "kneed", "faiss", "plotly"),
    *("numpy", "pandas", "pandera", "pyarrow", "confluent_kafka", "matplotlib", "pyspark"),
}
ARROW = {"numpy", "pyarrow"}
TABLES = {*ARROW, "pandas", "scipy"}
# What a step may load: Arrow reads what was sent, pandas holds tables, plotly draws reports.
LOADS = {
    "nocturne.steps": set(),
    "nocturne.steps.library": set(),
    "nocturne.steps.version": set(),
    "nocturne_airflow.nightly": set(),
    "nocturne.steps.library:land_library": {*ARROW, "pandas", "pandera", "pyspark"},
    "nocturne.steps.library:load_tracks": {"confluent_kafka"},
    "nocturne.steps.library:read_sent": ARROW,
    "nocturne.steps.version:plan_candidate": set(),
    "nocturne.recommend.candidates:plan_candidate": TABLES,
    "nocturne.steps.version:check_candidate": {*ARROW, "pandas", "plotly"},
    "nocturne.steps.version:write_page": {*ARROW, "pandas", "plotly"},
    "nocturne.steps.version:publish_version": set(),
}
# The statements of a function that import, carried out without the function.
IMPORT = """
import ast, importlib, inspect, json, sys
module, _, function = sys.argv[1].partition(":")
imported = importlib.import_module(module)
if function:
    body = ast.parse(inspect.getsource(getattr(imported, function))).body[0].body
    found = [line for line in body if isinstance(line, ast.Import | ast.ImportFrom)]
    assert found
    exec(compile(ast.Module(found, []), "imports", "exec"))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("name", LOADS)
def test_a_step_imports_what_it_needs(name):
    command = [sys.executable, "-c", IMPORT, name]
    loaded = json.loads(subprocess.check_output(command, text=True).splitlines()[-1])
    assert set(loaded) & HEAVY <= LOADS[name]
