"""Parse a DAG folder as Airflow does and describe it as JSON on stdout.

    python describe_dags.py DAGS [--render]

With --render the settings are read, for the commands of the Spark jobs.

It is a process of its own, so that what it has imported is what parsing imports, and so that
Airflow's environment is settled before the first import of airflow.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


class NamedXComs:
    """A task instance whose XComs answer with their own names: `{land_library.run_dir}`."""

    def xcom_pull(self, task_id: str) -> "NamedXCom":
        return NamedXCom(task_id)


class NamedXCom:
    def __init__(self, task_id: str) -> None:
        self.task_id = task_id

    def __getitem__(self, key: str) -> str:
        return f"{{{self.task_id}.{key}}}"


def parse_folder(folder: Path) -> dict[str, Any]:
    started = time.monotonic()
    from airflow.dag_processing.dagbag import DagBag

    imported = time.monotonic()
    bag = DagBag(folder)
    parsed = time.monotonic()
    return {
        "modules": sorted(sys.modules),
        "import_seconds": imported - started,
        "parse_seconds": parsed - imported,
        "import_errors": bag.import_errors,
        "dags": {dag_id: describe_dag(dag) for dag_id, dag in bag.dags.items()},
    }


def describe_dag(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    return {
        "file": Path(dag.fileloc).name,
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "start_date": dag.start_date.isoformat(),
        "params": {name: dag.params.get_param(name).dump() for name in dag.params},
        "serialized": DagSerialization.to_dict(dag),
        "tasks": [describe_task(task) for task in dag.topological_sort()],
    }


def describe_task(task: Any) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "upstream": sorted(task.upstream_task_ids),
        "retries": task.retries,
        "first_pause": task.retry_delay.total_seconds(),
        "longest_pause": task.max_retry_delay.total_seconds(),
        "backoff": float(task.retry_exponential_backoff),
        "policy": task.retry_policy and task.retry_policy.serialize(),
        "timeout": task.execution_timeout.total_seconds(),
        "pool": task.pool,
        "inlets": [asset.uri for asset in task.inlets],
        "outlets": [asset.uri for asset in task.outlets],
    }


def render_jobs(folder: Path) -> dict[str, dict[str, Any]]:
    """The spark-submit command of each Spark job, and what it adds to the driver's environment."""
    from airflow.dag_processing.dagbag import DagBag

    from nocturne_airflow.spark import SparkJob

    tasks = [task for dag in DagBag(folder).dags.values() for task in dag.tasks]
    return {task.task_id: render_job(task) for task in tasks if isinstance(task, SparkJob)}


def render_job(job: Any) -> dict[str, Any]:
    job.render_template_fields({"ti": NamedXComs()})
    job.add_settings()
    hook = job._get_hook()
    return {"line": hook._build_spark_submit_command(job.application), "environment": hook._env}


if __name__ == "__main__":
    described = parse_folder(Path(sys.argv[1]))
    if "--render" in sys.argv:
        described["jobs"] = render_jobs(Path(sys.argv[1]))
    sys.stdout.write("\n" + json.dumps(described))
