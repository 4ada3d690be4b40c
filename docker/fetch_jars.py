"""Fetch the jars of Spark's connectors into the image, by the project's own set-up code."""

from nocturne.settings import load_settings
from nocturne.stack.jars import ensure_jars
from nocturne.stack.java import ensure_java

if __name__ == "__main__":
    ensure_jars(load_settings().runtime, ensure_java())
