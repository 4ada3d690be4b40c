"""Spark jobs started without Airflow: for benches and for evaluations."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nocturne.errors import NocturneError
from nocturne.settings import PROJECT, Settings
from nocturne.stack.jars import jar_paths, pyspark_folder
from nocturne.stack.java import ensure_java

SHOWN_LINES = 30
LOGGING = Path(__file__).with_name("log4j2.properties")
SPARK_CONF = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
    "spark.python.daemon.module": "nocturne.stack.spark_daemon",
    # Of the driver alone: executors elsewhere do not have the file.
    "spark.driver.defaultJavaOptions": f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
    # Spark makes this folder for SQL tables, which no job has: in the working directory, if it is
    # not told one that is there.
    "spark.sql.warehouse.dir": Path(tempfile.gettempdir()).as_uri(),
}
"""Of every job, wherever it is started."""
LIGHT_JOBS = ("extract_features", "train_clusters", "export_catalogue")
"""Their work is Python's or MongoDB's; most of what the JVM would optimise is its own start."""
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A third of such a driver's CPU time goes with the optimising compiler (67 to 41 s measured)."""


def choose_conf(job: str, master: str) -> dict[str, str]:
    """The configuration of a job of spark_jobs/ on a master."""
    options = SPARK_CONF["spark.driver.defaultJavaOptions"]
    if job in LIGHT_JOBS and is_local(master):
        options = f"{options} {QUICK_START}"
    return {**SPARK_CONF, "spark.driver.defaultJavaOptions": options}


def is_local(master: str) -> bool:
    """Whether jobs run on this machine alone."""
    return master.startswith("local")


@dataclass(frozen=True)
class SparkCommand:
    """A `spark-submit` and what its environment needs beside the caller's own."""

    command: list[str]
    environment: dict[str, str]


def submit(
    settings: Settings, job: str, arguments: Mapping[str, str | Path], jars: Sequence[str] = ()
) -> SparkCommand:
    """A job of spark_jobs/ on the settings' master, with sets of jars of jars.lock."""
    paths = [path for name in jars for path in jar_paths(settings.runtime, name)]
    conf = choose_conf(job, settings.spark_master)
    command = [
        str(pyspark_folder() / "bin/spark-submit"),
        *("--master", settings.spark_master, "--driver-memory", settings.spark_driver_memory),
        *(word for name, value in conf.items() for word in ("--conf", f"{name}={value}")),
        *(("--jars", ",".join(map(str, paths))) if paths else ()),
        str(PROJECT / f"spark_jobs/{job}.py"),
        *(str(word) for pair in arguments.items() for word in pair),
    ]
    environment = {
        "JAVA_HOME": str(ensure_java().parents[1]),
        "SPARK_HOME": str(pyspark_folder()),
        "PYSPARK_PYTHON": sys.executable,
    }
    return SparkCommand(command, environment)


def run_spark(command: SparkCommand) -> str:
    """Run to the end; what the driver said on stdout.

    Raises NocturneError with the end of its log if it fails.
    """
    environment = {**os.environ, **command.environment}
    ended = subprocess.run(
        command.command, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        last = "\n".join(ended.stderr.splitlines()[-SHOWN_LINES:])
        raise NocturneError(f"{' '.join(command.command)} failed:\n{last}")
    return ended.stdout
