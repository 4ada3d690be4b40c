# The image of Airflow, of the Spark master and of its workers: one Python, one lock, one set of
# jars, so that what a task submits is what a worker runs.
#
# Not built yet: no container engine was at hand where this was written. Its steps were run one
# after the other on a bare Debian 12 instead (docs/operations.md, "With containers").
#
# Bookworm, because Debian 12 has Java 17, which is what the tests run on.
FROM python:3.11.14-slim-bookworm

# procps: Spark's scripts call ps.
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*

# The folders that volumes are mounted on: a new volume takes over owner and mode from here.
RUN useradd --create-home --uid 1000 nocturne \
    && install -d -o nocturne -g nocturne /var/lib/nocturne /var/lib/airflow

WORKDIR /opt/nocturne
ENV PATH=/opt/venv/bin:$PATH \
    SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark \
    NOCTURNE_RUNTIME=/opt/runtime \
    NOCTURNE_HOME=/var/lib/nocturne \
    AIRFLOW_HOME=/var/lib/airflow \
    PYTHONUNBUFFERED=1

# The lock is whole, so pip has nothing to resolve: --no-deps.
COPY requirements.txt ./
RUN python -m venv /opt/venv \
    && pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        -r requirements.txt

COPY pyproject.toml README.md ./
COPY include include
RUN pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps \
        --no-build-isolation --editable .

# Spark's connectors and the broker's jars, checked by their hashes as everywhere else.
COPY docker docker
RUN python docker/fetch_jars.py

COPY dags dags
COPY plugins plugins
COPY spark_jobs spark_jobs

USER nocturne
ENTRYPOINT ["python", "/opt/nocturne/docker/entrypoint.py"]
CMD ["nocturne", "--help"]
