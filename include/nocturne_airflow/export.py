"""The steps of the catalogue export."""

from pathlib import Path
from typing import Any

from nocturne.catalogue.export import require_complete
from nocturne_airflow.services import open_client, task_settings

Summary = dict[str, Any]


def choose_collection(params: Summary) -> Summary:
    """The collection to export: that of the run's parameters, else of the settings."""
    settings = task_settings()
    return {
        "database": params.get("database") or settings.mongo_database,
        "collection": params.get("collection") or settings.tracks_collection,
        "target": str(settings.exports_dir / "output.csv"),
    }


def verify(chosen: Summary) -> Summary:
    """Read the file back and compare it with the collection."""
    with open_client() as (client, _):
        documents = client[chosen["database"]][chosen["collection"]].count_documents({})
    return {"rows": require_complete(Path(chosen["target"]), documents)}
