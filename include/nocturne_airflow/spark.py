"""Spark jobs as tasks."""

import re
from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException

from nocturne.errors import BadInput
from nocturne.job_exit import BAD_INPUT_EXIT
from nocturne.settings import PROJECT, Settings
from nocturne_airflow.policies import SPARK_POOL

EXIT_CODE = re.compile(r"Error code is: (\d+)")


class SparkJob(SparkSubmitOperator):
    """The job of spark_jobs/ that is called as the task, submitted to `spark_default` from a pool.

    Jars, memory and lineage come from the settings when the task runs. The job finds MongoDB by
    the same settings, in its environment: a password must not stand on a command line. So the
    driver runs here, whatever the master (deploy mode `client`). Raises BadInput, so that it is
    not retried, if the job says that its data is bad.

    No driver is started for what `nocturne.steps.without_spark` settles.
    """

    environment: dict[str, str]

    def __init__(self, *, task_id: str, arguments: list[str], **kwargs: Any) -> None:
        super().__init__(
            task_id=task_id,
            application=str(PROJECT / f"spark_jobs/{task_id}.py"),
            application_args=arguments,
            name=task_id,
            conn_id="spark_default",
            pool=SPARK_POOL,
            openlineage_inject_parent_job_info=True,
            verbose=False,
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        from nocturne.steps.without_spark import settle

        if settled := settle(self.task_id, read_settings(), self.options()):
            self.log.info("%s", settled)
            return
        self.add_settings()
        try:
            super().execute(context)
        except AirflowException as error:
            code = EXIT_CODE.search(str(error))
            if code and int(code[1]) == BAD_INPUT_EXIT:
                raise BadInput(
                    f"The Spark job {self.task_id} refused its input; its reason stands above in"
                    " this log."
                ) from error
            raise

    def options(self) -> dict[str, str]:
        """The rendered arguments: `audio-dir` and its value …"""
        words = iter(self.application_args or [])
        return {name.removeprefix("--"): value for name, value in zip(words, words, strict=True)}

    def add_settings(self) -> None:
        from nocturne.stack.jars import jar_paths
        from nocturne.stack.spark import choose_conf

        settings = read_settings()
        self.jars = ",".join(str(jar) for jar in jar_paths(settings.runtime, "spark"))
        self._driver_memory = settings.spark_driver_memory
        self.environment = {
            "NOCTURNE_MONGO_URI": settings.mongo_uri,
            "NOCTURNE_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        }
        self.conf = {
            **choose_conf(self.task_id, settings.spark_master),
            "spark.extraListeners": "io.openlineage.spark.agent.OpenLineageSparkListener",
            **describe_transport(settings),
            "spark.openlineage.namespace": "nocturne",
        }

    def _get_hook(self) -> SparkSubmitHook:
        """The environment is given behind the hook's back: `env_vars` stand on YARN's command."""
        hook = super()._get_hook()
        if hook._connection["deploy_mode"] == "cluster":
            raise BadInput("The connection spark_default must leave deploy-mode at `client`.")
        hook._env = self.environment
        return hook


def read_settings() -> Settings:
    """A task's settings with the master of the connection `spark_default`."""
    from nocturne_airflow.services import spark_master, task_settings

    return task_settings().model_copy(update={"spark_master": spark_master()})


def take_from(task: str, **options: str) -> list[str]:
    """Arguments of a job from an earlier task's summary: option=key, both with underscores."""
    named = {name.replace("_", "-"): key for name, key in options.items()}
    return [
        word
        for name, key in named.items()
        for word in (f"--{name}", f"{{{{ ti.xcom_pull('{task}')['{key}'] }}}}")
    ]


def describe_transport(settings: Settings) -> dict[str, str]:
    """Where Spark's OpenLineage events go: to the settings' server, else into a file."""
    transport = "spark.openlineage.transport"
    if settings.lineage_url:
        return {f"{transport}.type": "http", f"{transport}.url": settings.lineage_url}
    events = settings.lineage_dir / "spark.jsonl"
    return {f"{transport}.type": "file", f"{transport}.location": str(events)}
