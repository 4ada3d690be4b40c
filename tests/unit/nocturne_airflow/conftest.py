"""Airflow, imported for these tests so that it changes nothing for the others."""

import logging
import os
import shutil
import tempfile

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give Airflow a home before it is first imported, and take its log handlers away again.

    That is after tests/conftest.py has removed a user's own Airflow from the environment, and
    before a module of tests is read. Airflow logs to the stdout of that moment for good, which
    pytest has closed by the end.
    """
    folder = tempfile.mkdtemp(prefix="nocturne-test-airflow-")
    config.add_cleanup(lambda: shutil.rmtree(folder))
    os.environ.setdefault("AIRFLOW_HOME", folder)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    import airflow.sdk  # noqa: F401

    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def settings_of_nobody(tmp_path, monkeypatch) -> None:
    """A home in which nothing is, so that no setting comes from the machine."""
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
