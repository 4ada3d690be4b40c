"""# Catalogue export

Writes `output.csv` with File_Name, MFCCs, Spectral_Centroid, Zero_Crossing_Rate and genre_id of
every document of a collection, for tools that read CSV. Spark reads the collection, brings
it into one partition and writes a header; the file is read back and its rows are counted.

**Parameters**: database and collection (empty: those of the settings).

**When it is red**: `choose_collection` says if a setting is unusable; `export_catalogue` if the
collection is empty or has other fields; `verify_export` if the file's rows are not the
collection's. Clearing is always safe: the file is replaced whole or stays as it was. Nothing
depends on it, so a red run harms nobody else.
"""

import pendulum
from airflow.sdk import DAG, Param, chain, task

from nocturne_airflow.assets import EXPORT, TRACKS
from nocturne_airflow.policies import default_arguments
from nocturne_airflow.spark import SparkJob, take_from

PARAMS = {
    "database": Param(None, type=["null", "string"], title="MongoDB database"),
    "collection": Param(None, type=["null", "string"], title="Collection"),
}

with DAG(
    "catalogue_export",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args=default_arguments(),
    params=PARAMS,
    doc_md=__doc__,
    tags=["nocturne", "music"],
):

    @task
    def choose_collection(params=None):
        from nocturne_airflow import export

        return export.choose_collection(params)

    export_catalogue = SparkJob(
        task_id="export_catalogue",
        arguments=take_from(
            "choose_collection", database="database", collection="collection", target="target"
        ),
        inlets=[TRACKS],
        outlets=[EXPORT],
    )

    @task(inlets=[EXPORT])
    def verify_export(ti=None):
        from nocturne_airflow import export

        return export.verify(ti.xcom_pull("choose_collection"))

    chain(choose_collection(), export_catalogue, verify_export())
