"""Commands that ask a server load its client, and nothing that computes."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

COMPUTING = {
    *("numpy", "pandas", "pandera", "pyarrow", "scipy", "sklearn", "faiss", "plotly", "matplotlib"),
    *("librosa", "numba", "fastapi", "uvicorn", "airflow", "pyspark", "httpx"),
}
TELL = """
import json, sys
from nocturne.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "needs", "spares"),
    [
        (["versions"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["recommend", "--track", "2"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["recommend", "--user", "ana"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["recommend", "--song", "Food"], "pymongo", {"confluent_kafka"}),
        (["live-at", "2026-11-19T08:00:00Z"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["rollback"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["tokens"], "pymongo", {"confluent_kafka", "rapidfuzz"}),
        (["topics"], "confluent_kafka", {"pymongo"}),
        (["dead-letters", "user_activity"], "confluent_kafka", {"pymongo"}),
        (["ingest", "user_activity"], "confluent_kafka", set()),
        (["status"], "pymongo", {"rapidfuzz"}),
    ],
)
def test_a_command_loads_the_client_of_whom_it_asks(servers, database, words, needs, spares):
    """In a database of its own, where nothing is published."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", TELL, *words],
        env={
            **os.environ,
            "NOCTURNE_HOME": str(servers.home),
            "NOCTURNE_MONGO_DATABASE": database.name,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert needs in modules
    assert not modules & (COMPUTING | spares)
