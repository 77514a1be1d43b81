"""The words after a build."""

import json
import os

import duckdb
import pytest
from rich.console import Console

from customer_segmentation.output.last_build import NoBuildError
from customer_segmentation.output.publication import PublishedTable, publish
from customer_segmentation.output.summary import print_summary

TABLES = {
    "main.customer_features": """
        select 'a' as customer_id, date '2020-02-01' as as_of, 1250.5 as monetary, true as is_buyer
        union all
        select 'b', date '2020-02-01', 0, false
    """,
    "main.customers": """
        select 'a' as customer_id, false as is_synthetic, false as is_excluded
        union all
        select 'b', true, false
    """,
    "main.segment_changes": """
        select date '2020-01-01' as changed_on, 'entered' as change, 'behaviour' as cause
        union all
        select date '2020-02-01', change, cause
        from (
            values ('entered', 'behaviour'), ('exited', 'behaviour'), ('entered', 'refit')
        ) as changes (change, cause)
    """,
    "main.segments": "select 'rfm:champions' as segment_key, 'Champions' as name",
    "main.segment_kpis": """
        select
            period, 'rfm:champions' as segment_key, 'rfm' as scheme,
            1 as customers, .5 as customer_share, 1.0 as revenue_share
        from (values (date '2020-01-01'), (date '2020-02-01')) as periods (period)
    """,
    "models.cluster_models": """
        select 'in_force' as status, * from (
            values ('cluster', 'none', 'Too few.'), ('journeys', 'good', 'They are apart.')
        ) as models (scheme, verdict, why)
    """,
    "monitoring.source_coverage": """
        select * from (
            values
                ('orders', 'loaded', 3), ('orders', 'synthetic', 0),
                ('events', 'loaded', 7), ('events', 'synthetic', 7),
                ('customers', 'loaded', 2), ('customers', 'synthetic', 1)
        ) as coverage (source_table, check_name, value)
    """,
    "monitoring.quarantined_records": "select 'orders' as source_table, 'future_date' as rule",
}
WARNED = {
    "unique_id": "test.p.each_segment_is_fine",
    "status": "warn",
    "failures": 7,
    "compiled_code": "select 'segment ' || n as finding from range(7) as numbers (n)",
}
PRIVATE = {
    "unique_id": "test.p.names_are_right",
    "status": "warn",
    "failures": 2,
    "compiled_code": "select 'Anna' as given_name",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warehouse").mkdir()
    with duckdb.connect(str(tmp_path / "warehouse" / "demo.duckdb")) as working:
        tables = []
        for name, query in TABLES.items():
            schema, table = name.split(".")
            working.execute(f"create schema if not exists {schema}")
            working.execute(f"create table {name} as {query}")
            tables.append(PublishedTable(name, schema, table))
        publish(working, tables, tmp_path / "published" / "segments.duckdb")
    return tmp_path


def summary(folder, results, started="2020-02-02T00:00:00Z") -> str:
    nodes = {
        result["unique_id"]: {"name": result["unique_id"].split(".")[-1]} for result in results
    }
    (folder / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    run = {"metadata": {"invocation_started_at": started}, "args": {"vars": {}}, "results": results}
    (folder / "run_results.json").write_text(json.dumps(run))
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    print_summary(folder, console)
    return console.export_text()


def test_says_sizes_quarantine_clusters_and_file(folder):
    words = summary(folder, [])
    assert "2 eligible customers, 1 of them buyers, as of 2020-02-01. Revenue 1,250.50." in words
    assert "Champions" in words
    assert (
        "Synthetic data, not findings: 1 of these customers, 1 of 2 customers, all events." in words
    )
    assert "Since 2020-01-01 (31 days): +2 entered, -1 left, mostly by behaviour (67%)." in words
    assert "50.0%" in words
    assert "Quarantined: 1 rows of orders, rule future_date." in words
    assert "Clusters, verdict none: Too few." in words
    assert "Clusters of journeys, verdict good: They are apart." in words
    assert "Published: published/segments.duckdb" in words
    assert "Warnings" not in words


def test_prints_findings_of_warnings_and_never_rows_of_other_tests(folder):
    words = summary(folder, [WARNED, PRIVATE])
    assert "Check failed: each segment is fine." in words
    assert "segment 0" in words
    assert "and 2 more" in words
    assert "names are right" in words
    assert "Anna" not in words


def test_says_when_the_file_is_from_an_earlier_build(folder):
    assert "from an earlier build" in summary(folder, [], started="2999-01-01T00:00:00Z")


def test_says_when_nothing_was_published_yet(folder):
    (folder / "published" / "segments.duckdb").unlink()
    assert "Nothing has been published" in summary(folder, [])


def test_says_when_there_was_no_build_at_all(tmp_path):
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with pytest.raises(NoBuildError, match="No build results"):
        print_summary(tmp_path, console)
