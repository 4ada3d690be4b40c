"""What the DAG processor sees: no errors, nothing heavy, the same each time."""

import pytest

from nocturne.settings import PROJECT

pytestmark = pytest.mark.dags

DAGS = {"catalogue_export", "listening_activity", "nightly_recommendations"}
HEAVY = {
    *("librosa", "numba", "scipy", "soundfile", "sklearn", "faiss"),
    *("numpy", "pandas", "pandera", "pyarrow"),
    *("pyspark", "pymongo", "confluent_kafka"),
}
LONGEST_FILE = 150


def test_all_files_are_read_without_errors(parses):
    for found in parses:
        assert found["import_errors"] == {}
        assert set(found["dags"]) == DAGS


def test_a_file_has_the_name_of_its_dag(parsed):
    files = {path.name for path in (PROJECT / "dags").glob("*.py")}
    assert files == {f"{dag_id}.py" for dag_id in DAGS}
    assert {dag["file"].removesuffix(".py"): dag_id for dag_id, dag in parsed["dags"].items()} == {
        dag_id: dag_id for dag_id in DAGS
    }


def test_parsing_imports_nothing_heavy(parsed):
    modules = {name.partition(".")[0] for name in parsed["modules"]}
    assert {"nocturne_airflow.spark", "airflow.sdk"} <= set(parsed["modules"])
    assert not modules & HEAVY


def test_parsing_reads_no_settings(parses):
    """The second parse had settings that cannot be read."""
    assert parses.second["import_errors"] == {}


def test_parsing_again_gives_the_same_dags(parses):
    """Else Airflow would note a new version of a DAG at each parse."""
    for dag_id in DAGS:
        first, second = (found["dags"][dag_id]["serialized"] for found in parses)
        assert first == second


def test_dag_files_are_short():
    for path in (PROJECT / "dags").glob("*.py"):
        assert len(path.read_text("utf-8").splitlines()) < LONGEST_FILE, path.name
