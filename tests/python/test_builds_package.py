"""Another dbt project uses this one as a package (integration_tests)."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from conftest import ROOT, Build, Workshop, scenario
from dbt_process import run_dbt


@scenario()
def bookshop(workshop: Workshop) -> Build:
    """Another project that uses this one as a package, with a segment and a metric of its own."""
    folder = workshop.folder("bookshop")
    shutil.copytree(ROOT / "integration_tests", folder, dirs_exist_ok=True)
    package = {"packages": [{"local": str(workshop.builder.project)}]}
    (folder / "packages.yml").write_text(json.dumps(package))
    # Without tests that need more than the selected models.
    needed = ["--select", "+letters", "+segments", "--indirect-selection", "cautious"]
    for command in (["deps"], ["build", *needed, "--vars", '{"as_of": "2026-07-01"}']):
        where = ["--profiles-dir", ".", "--no-version-check"]
        status = run_dbt(folder, ["--log-level-file", "none", *command, *where])
    return Build(folder, status, (folder / "output.txt").read_text(errors="replace"))


@pytest.fixture(scope="module")
def rows(bookshop: Build) -> Any:
    file = bookshop.passed().folder / "bookshop.duckdb"
    with duckdb.connect(str(file), read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


def test_a_model_of_the_consumer_reads_the_marts(rows: Any) -> None:
    # Anna alone has two orders and one of at least 100; Ben has one order, Carla small ones.
    assert rows("select lifecycle, reason from main_bookshop.letters") == [
        (
            "active",
            "dearest order in the last 365 days: 120.00 (at least 100); orders: 2 (at least 2)",
        )
    ]


def test_vars_of_the_consumer_are_in_force(rows: Any) -> None:
    rules = rows("select segment_key, owner from segmentation.segments where scheme = 'rule'")
    assert rules == [("rule:collectors", "rare books")]
    wide = "scores.int_segmentation__customers_predicted"
    largest = rows(f"select max(dearest_order__365d) from {wide}")
    assert largest == [(Decimal("180.00"),)]
    assert rows("select dataset, raw_dir from bookshop_input.data_set") == [("bookshop", "data")]


def test_views_of_the_raw_data_lie_where_the_consumer_says(rows: Any) -> None:
    found = rows("select distinct schema_name from duckdb_views() where view_name = 'orders'")
    assert found == [("bookshop_input",)]


def test_marts_lie_in_a_schema_of_their_own(rows: Any) -> None:
    found = rows("select schema_name from duckdb_tables() where table_name = 'segment_kpis'")
    assert found == [("segmentation",)]


def test_nothing_is_published_and_no_unit_test_runs(bookshop: Build) -> None:
    assert not list(bookshop.folder.rglob("segments.duckdb"))
    assert "ublished" not in bookshop.output
    assert "unit test" not in bookshop.output
