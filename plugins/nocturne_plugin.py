"""Nocturne inside Airflow's UI: what it adds is registered here and made elsewhere."""

from airflow.plugins_manager import AirflowPlugin

from nocturne_airflow.links import PREFIX
from nocturne_airflow.ui import LateApp, build_app, describe_views


class NocturnePlugin(AirflowPlugin):
    """The web app under /nocturne, an entry of the navigation, and tabs on DAGs and runs."""

    name = "nocturne"
    fastapi_apps = [{"app": LateApp(build_app), "url_prefix": PREFIX, "name": "nocturne"}]  # noqa: RUF012
    external_views = describe_views()
