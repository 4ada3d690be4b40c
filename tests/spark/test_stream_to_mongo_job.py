import json
from datetime import UTC

import pytest

from nocturne.bench.ingest_records import AS_OF, FlatTrack, encode, make_messages
from spark_jobs.stream_to_mongo import SCHEMA, parse_arguments, parse_messages, sum_up

pytestmark = pytest.mark.spark


def describe_batch(timestamp: str, rows: int, milliseconds: int) -> dict:
    durations = {"addBatch": milliseconds - 10, "triggerExecution": milliseconds}
    return {"timestamp": timestamp, "numInputRows": rows, "durationMs": durations}


def test_messages_become_the_documents_that_ours_become(spark):
    messages = list(make_messages(3))
    values = spark.createDataFrame([(encode(message),) for message in messages], "value binary")
    rows = [row.asDict(recursive=True) for row in parse_messages(values).collect()]
    for row, message in zip(rows, messages, strict=True):
        as_of = row.pop("as_of")
        assert as_of.astimezone(UTC) == AS_OF
        assert row == FlatTrack.model_validate(message).to_document()


def test_the_schema_is_that_of_the_contract():
    names = [field.split()[0] for field in SCHEMA.split(",")]
    contract = [field.alias or name for name, field in FlatTrack.model_fields.items()]
    assert names == contract
    assert names == list(json.loads(encode(next(make_messages(1)))))


def test_the_seconds_reach_from_the_first_batchs_start_to_the_last_ones_end():
    batches = [
        describe_batch("2026-11-21T07:00:00.000Z", 100, 4000),
        describe_batch("2026-11-21T07:00:04.500Z", 100, 500),
        describe_batch("2026-11-21T07:00:05.250Z", 20, 750),
    ]
    assert sum_up(batches) == {"records": 220, "batches": 3, "seconds": 6.0, "fastest": 200.0}


def test_arguments_have_no_address(tmp_path):
    given = ["--topic", "t", "--database", "d", "--collection", "c", "--checkpoint", str(tmp_path)]
    assert vars(parse_arguments(given)) == {
        "topic": "t",
        "database": "d",
        "collection": "c",
        "checkpoint": tmp_path,
        "most_per_batch": 0,
        "write_batch": 512,
    }
