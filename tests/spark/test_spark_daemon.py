"""Python workers do not read Spark's archives again for each task."""

import pytest

pytestmark = pytest.mark.spark


def test_no_archive_is_on_the_path_of_a_worker(spark):
    def find_archives(_):
        import sys
        from zipimport import zipimporter

        importers = sys.path_importer_cache.items()
        return [path for path, found in importers if isinstance(found, zipimporter)]

    assert spark.sparkContext.parallelize([1, 2], 2).flatMap(find_archives).collect() == []
