"""A local Spark session for tests, which are skipped where it can't start."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def skip_without_spark() -> None:
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("needs `make install-spark` and Java 17 or 21, such as openjdk-17-jre-headless")


@contextmanager
def local_session(settings: Mapping[str, str]) -> Iterator[SparkSession]:
    """A session in UTC, without a page. dbt, run in this process, takes it for its own."""
    skip_without_spark()
    from pyspark.sql import SparkSession

    common = {"spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC"}
    session = SparkSession.builder.master("local[1]").config(map={**common, **settings})
    started = session.getOrCreate()
    try:
        yield started
    finally:
        started.stop()
