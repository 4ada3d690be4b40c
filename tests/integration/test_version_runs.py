"""Which runs came to a version."""

import pytest
from made_candidates import fill_library, plan

from nocturne.store.versions import require_version

pytestmark = pytest.mark.integration


def test_every_run_that_comes_to_a_version_is_noted_once(database, tmp_path):
    fill_library(database)
    for run_id in ("run-1", "run-2", "run-1"):
        version = plan(database, tmp_path, run_id=run_id)
    model = require_version(database, version)
    assert (model["run_id"], model["runs"]) == ("run-1", ["run-1", "run-2"])
