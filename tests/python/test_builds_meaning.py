"""What is said of the marts: metrics by `mf query`, the data dictionary, who reads them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, VARS, Build

from customer_segmentation.output.dictionary import data_dictionary

MF = Path(sys.executable).parent / "mf"
Query = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def manifest(reference: Build) -> dict[str, Any]:
    path = reference.passed().folder / "target" / "manifest.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def query(reference: Build, tmp_path_factory: pytest.TempPathFactory) -> Query:
    """Runs `mf query` on the tables of the reference build; rows as in its CSV."""
    if not MF.exists():
        pytest.skip("dbt-metricflow is not installed")
    folder = tmp_path_factory.mktemp("metricflow")
    shutil.copytree(reference.passed().folder / "warehouse", folder / "warehouse")
    (folder / "target").mkdir()
    shutil.copy(reference.folder / "target" / "semantic_manifest.json", folder / "target")
    shutil.copy(ROOT / "dbt_project.yml", folder)
    shutil.copy(ROOT / "profiles.yml", folder)

    def run(*args: str) -> list[dict[str, str]]:
        command = [str(MF), "query", *args, "--csv", "rows.csv"]
        environment = {**os.environ, "DBT_PROFILES_DIR": str(folder), "DATASET": VARS["dataset"]}
        environment.pop("SEGMENTATION_HOME", None)
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        with (folder / "rows.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


# Starting mf takes as long as a build.
@pytest.mark.slow
def test_size_and_revenue_of_now(reference: Build, query: Query) -> None:
    found = {
        row["segment__key"]: (int(row["segment_size"]), float(row["segment_revenue"]))
        for row in query("--saved-query", "segments_now")
    }
    expected = reference.rows(
        "select segment_key, customers, cast(revenue as double) from segment_kpis "
        "where period = (select max(period) from segment_kpis)"
    )
    assert len(expected) > 40
    assert found == {key: (size, pytest.approx(revenue)) for key, size, revenue in expected}


@pytest.mark.slow
def test_conversion_and_repeat_rate_of_each_period(reference: Build, query: Query) -> None:
    found = {
        (row["segment__key"], row["metric_time__day"][:10]): (
            float(row["segment_conversion"]),
            float(row["segment_repeat_rate"]),
        )
        for row in query("--saved-query", "segments_over_time")
        if row["segment_conversion"]
    }
    expected = reference.rows(
        "select segment_key, cast(period as varchar), conversion, repeat_rate from segment_kpis "
        "where conversion is not null and is_whole"
    )
    assert len(expected) > 40
    assert found == {
        (key, period): (pytest.approx(conversion, abs=1e-5), pytest.approx(repeated, abs=1e-5))
        for key, period, conversion, repeated in expected
    }


@pytest.mark.slow
def test_what_members_did_lately_is_of_the_last_whole_period(
    reference: Build, query: Query
) -> None:
    found = {
        row["segment__key"]: (row["segment_conversion"], int(row["segment_contacted_customers"]))
        for row in query("--saved-query", "segments_lately")
        if row["segment_conversion"]
    }
    expected = reference.rows(
        "select segment_key, conversion, contacted from segment_kpis "
        "where is_last_whole and conversion is not null"
    )
    assert len(expected) > 20
    assert {key: (float(share), contacted) for key, (share, contacted) in found.items()} == {
        key: (pytest.approx(share, abs=1e-5), contacted) for key, share, contacted in expected
    }


def test_the_dictionary_has_every_published_column(
    reference: Build, manifest: dict[str, Any]
) -> None:
    described: set[tuple[str, str]] = set()
    for section in data_dictionary(manifest).split("\n## ")[1:]:
        table = section.splitlines()[0]
        rows = re.findall(r"^\| `(\w+)` \| (\w.*?) \| (\S.*) \|$", section, re.MULTILINE)
        described |= {(table.split(".")[-1], column) for column, _, _ in rows}
    published = reference.rows(
        "select table_name, column_name from information_schema.columns"
        " where table_schema <> 'details'"
    )
    assert described == set(published)


def test_every_published_table_and_column_has_a_comment(reference: Build) -> None:
    """Those that vars and views bring too: the reader of the file has no YAML."""
    lacking = reference.passed().rows(
        "select schema_name, table_name, column_name from duckdb_columns()"
        " where not internal and coalesce(trim(comment), '') = ''"
        " union all select schema_name, table_name, null from duckdb_tables()"
        " where not internal and coalesce(trim(comment), '') = ''"
        " union all select schema_name, view_name, null from duckdb_views()"
        " where not internal and coalesce(trim(comment), '') = ''"
    )
    assert lacking == []
    ((orders,),) = reference.rows(
        "select comment from duckdb_columns()"
        " where table_name = 'int_segmentation__customers_predicted'"
        " and column_name = 'orders__90d'"
    )
    assert orders == "Completed orders, in the last 90 days. Unit: orders; 0 without rows."


def test_tables_of_details_hold_nothing_of_what_a_build_happened_to_rebuild(
    reference: Build,
) -> None:
    periods = reference.rows("select count(*), count(*) filter (is_current) from int_periods")
    assert periods[0][0] > periods[0][1] == 1
    customers = reference.rows(
        "select count(distinct as_of), min(is_current) "
        "from details.int_segmentation__customers_predicted "
        "inner join details.int_periods using (as_of)"
    )
    assert customers == [(1, True)]
    notes = reference.rows(
        "select column_name from information_schema.columns where table_schema = 'details' "
        "and (column_name like '%built%' or column_name in ('build_reason', 'is_outdated'))"
    )
    assert notes == []


def test_tables_of_details_say_that_they_are_no_interface(
    reference: Build, manifest: dict[str, Any]
) -> None:
    comments = dict(
        reference.rows(
            "select table_name, comment from duckdb_tables() where schema_name = 'details'"
        )
    )
    served = {
        view
        for comment in comments.values()
        for view in re.findall(
            r"customer_next_segments|segment_\w+|score_parts", comment.split("version.")[0]
        )
    }
    assert comments
    assert all(comment.startswith("Not an interface: it serves ") for comment in comments.values())
    ((views,),) = reference.rows("select list(view_name) from duckdb_views() where not internal")
    assert served == set(views)
    assert all(view in data_dictionary(manifest).split("\n## ")[0] for view in views)


def test_each_published_mart_has_a_reader_and_an_owner(manifest: dict[str, Any]) -> None:
    read = {
        node
        for exposure in manifest["exposures"].values()
        for node in exposure["depends_on"]["nodes"]
    }
    marts = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["config"]["meta"].get("published_schema")
    }
    assert read == set(marts)
    groups = {group["name"]: group["owner"]["name"] for group in manifest["groups"].values()}
    assert all(groups[node["group"]] and node["access"] == "public" for node in marts.values())
