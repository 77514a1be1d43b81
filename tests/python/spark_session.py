"""A Spark session for tests, which are skipped where it can't start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import spark_cluster

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def skip_without_spark() -> None:
    lacking = spark_cluster.missing()
    if lacking:
        pytest.skip(lacking)


@contextmanager
def started_session(
    settings: Mapping[str, str], master: str = "local[1]"
) -> Iterator[SparkSession]:
    """A session in UTC, without a page. dbt, run in this process, takes it for its own."""
    skip_without_spark()
    from pyspark.sql import SparkSession

    common = {
        "spark.driver.memory": "4g",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
    }
    session = SparkSession.builder.master(master).config(map={**common, **settings})
    started = session.getOrCreate()
    try:
        yield started
    finally:
        started.stop()
