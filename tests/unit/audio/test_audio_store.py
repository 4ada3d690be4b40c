from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nocturne.audio.store import (
    SCHEMA,
    FeatureRecord,
    add_part,
    read_features,
    read_known,
    read_outcomes,
)
from nocturne.errors import BadInput

FEATURE_SET = "fma518-v1-22050"


def good(sha256: str) -> FeatureRecord:
    return FeatureRecord(sha256, [1.0, 2.0], None, None, 30.0)


def refused(sha256: str, rule: str) -> FeatureRecord:
    return FeatureRecord(sha256, None, rule, "A reason.", None)


def add(store: Path, *records: FeatureRecord) -> None:
    rows = [record._asdict() for record in records]
    add_part(store, FEATURE_SET, pa.Table.from_pylist(rows, schema=SCHEMA))


def bytes_of(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.rglob("*") if file.is_file()}


def test_reads_what_was_added_sorted_and_only_what_is_wanted(tmp_path):
    add(tmp_path, good("c"), refused("a", "silent"))
    add(tmp_path, good("b"))
    rows = read_features(tmp_path, FEATURE_SET, ["c", "a"])
    assert list(rows.columns) == list(FeatureRecord._fields)
    assert list(rows["audio_sha256"]) == ["a", "c"]
    assert rows["rule"].tolist() == ["silent", None]
    assert rows["features"][0] is None
    np.testing.assert_array_equal(rows["features"][1], [1.0, 2.0])
    assert np.isnan(rows["duration_seconds"][0])
    assert rows["duration_seconds"][1] == 30


def test_a_missing_content_is_bad_input(tmp_path):
    add(tmp_path, good("a"))
    with pytest.raises(BadInput, match=r"lacks the features of 2 of 3 files.*SHA-256 b"):
        read_features(tmp_path, FEATURE_SET, ["c", "a", "b"])


def test_a_store_that_does_not_exist_yet_is_empty(tmp_path):
    assert read_known(tmp_path / "new", FEATURE_SET) == {}
    assert read_features(tmp_path / "new", FEATURE_SET, []).empty
    with pytest.raises(BadInput):
        read_outcomes(tmp_path / "new", FEATURE_SET, ["a"])


def test_feature_sets_are_apart(tmp_path):
    add(tmp_path, good("a"))
    assert read_known(tmp_path, "fma518-v1-44100") == {}


def test_adding_the_same_rows_again_in_any_order_changes_no_byte(tmp_path):
    add(tmp_path, good("a"), good("b"))
    before = bytes_of(tmp_path)
    add(tmp_path, good("b"), good("a"))
    assert bytes_of(tmp_path) == before


def test_adding_no_rows_adds_no_file(tmp_path):
    add(tmp_path)
    assert bytes_of(tmp_path) == {}


@pytest.mark.parametrize("settled", [good("a"), refused("a", "damaged")])
def test_a_settled_row_wins_over_an_unreadable_one(tmp_path, settled):
    transient = refused("a", "unreadable")
    for order in ([settled, transient], [transient, settled]):
        store = tmp_path / str(order.index(settled))
        for record in order:
            add(store, record)
        assert read_known(store, FEATURE_SET) == {"a": settled.rule}
        assert len(read_features(store, FEATURE_SET, ["a"])) == 1


def test_equal_rows_of_two_jobs_count_once(tmp_path):
    add(tmp_path, good("a"), good("b"))
    add(tmp_path, good("b"), good("c"))
    assert list(read_features(tmp_path, FEATURE_SET, "abc")["audio_sha256"]) == ["a", "b", "c"]


def test_what_a_killed_job_left_half_written_is_not_read(tmp_path):
    add(tmp_path, good("a"))
    (tmp_path / FEATURE_SET / "_part-0.parquet").write_bytes(b"PAR1 half a file")
    assert read_known(tmp_path, FEATURE_SET) == {"a": None}


def test_columns_in_any_order_and_in_pieces_give_the_same_bytes(tmp_path):
    rows = pa.Table.from_pylist([good("a")._asdict(), good("b")._asdict()], schema=SCHEMA)
    add_part(tmp_path, FEATURE_SET, rows)
    before = bytes_of(tmp_path)
    pieces = pa.concat_tables([rows.slice(1), rows.slice(0, 1)]).select(SCHEMA.names[::-1])
    (tmp_path / FEATURE_SET / next(iter(before))).unlink()
    add_part(tmp_path, FEATURE_SET, pieces)
    assert bytes_of(tmp_path) == before
