"""What Airflow needs before its first start: folders, its database, pools, the login.

Done again at every `up`, and changes nothing then but what .env changed.
"""

import json
import os
import subprocess
from pathlib import Path

from nocturne.settings import load_settings
from nocturne.stack.passwords import write_private

POOLS = {
    "spark": ("SPARK_POOL_SLOTS", "Spark drivers at a time"),
    "mongo": ("MONGO_POOL_SLOTS", "tasks that write to MongoDB at a time"),
}


def main() -> None:
    settings = load_settings()
    for folder in (settings.lineage_dir, settings.runs_dir):
        folder.mkdir(parents=True, exist_ok=True)
    write_private(
        Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]),
        json.dumps({"admin": os.environ["AIRFLOW_ADMIN_PASSWORD"]}),
    )
    run_airflow("db", "migrate")
    for pool, (slots, description) in POOLS.items():
        run_airflow("pools", "set", pool, os.environ[slots], description)


def run_airflow(*arguments: str) -> None:
    subprocess.run(["airflow", *arguments], check=True)  # noqa: S607


if __name__ == "__main__":
    main()
