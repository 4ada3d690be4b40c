"""Airflow reads its home when it is first imported: these tests give it one of their own."""

import os
import shutil
import tempfile

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """After that of tests/conftest.py, which removes a user's own Airflow from the environment."""
    folder = tempfile.mkdtemp(prefix="nocturne-test-airflow-")
    os.environ.setdefault("AIRFLOW_HOME", folder)
    config.add_cleanup(lambda: shutil.rmtree(folder))


@pytest.fixture
def settings_of_nobody(tmp_path, monkeypatch) -> None:
    """A home in which nothing is, so that no setting comes from the machine."""
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
