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
        select
            'rfm:champions' as segment_key, date '2020-01-01' as changed_on, 'entered' as change,
            'behaviour' as cause
        union all
        select segment_key, date '2020-02-01', change, cause
        from (
            values
                ('rfm:champions', 'entered', 'behaviour'), ('rfm:loyal', 'exited', 'behaviour'),
                ('rfm:promising', 'entered', 'refit'), ('rule:weekend', 'exited', 'consent')
        ) as changes (segment_key, change, cause)
    """,
    "main.segments": """
        select * from (
            values
                ('rfm:champions', 'champions', 'Champions'),
                ('rfm:prospect', 'prospect', 'Prospects'),
                ('rule:weekend', 'weekend', 'Weekenders'), ('spend_breaks:band_1', 'band_1', 'Low'),
                ('spend_breaks:band_2', 'band_2', 'High')
        ) as segments (segment_key, segment, name)
    """,
    "main.segment_kpis": """
        select * from (
            values
                ('rfm:champions', 'rfm', 1, .5, 1.0), ('rfm:prospect', 'rfm', 1, .5, 0),
                ('spend_breaks:band_1', 'spend_breaks', 1, .5, .0004),
                ('spend_breaks:band_2', 'spend_breaks', 3, .5, 1.0),
                ('rule:weekend', 'rule', 1, .5, null)
        ) as kpis (segment_key, scheme, customers, customer_share, revenue_share)
        cross join (values (date '2020-01-01'), (date '2020-02-01')) as periods (period)
    """,
    "models.cluster_models": """
        select 'in_force' as status, * from (
            values ('cluster', 'none', 'Too few.'), ('journeys', 'good', 'They are apart.')
        ) as models (scheme, verdict, why)
    """,
    "monitoring.source_coverage": """
        select * from (
            values
                ('orders', 'loaded', 3), ('orders', 'guests', 1), ('orders', 'synthetic', 0),
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
    "compiled_code": """
        select case n when 0 then 'rule:weekend is small' else 'segment ' || n end as finding
        from range(7) as numbers (n)
    """,
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
    text = " ".join(words.split())
    assert "Eligible customers as of 2020-02-01: 2 (buyers 1, prospects 1)." in text
    assert "Their revenue to date is 1,250.50, net of returns." in text
    assert "Guests placed 1 of 3 orders and returns" in text
    assert "With fewer than 100 buyers" in text
    assert (
        "Synthetic data, not findings: 1 of these customers; all rows of events; "
        "1 of 2 rows of customers." in text
    )
    assert "50.0%" in words
    assert "Quarantined: 1 row of orders, rule future_date." in words
    assert "Clusters, verdict none: Too few." in words
    assert "Clusters of journeys, verdict good: They are apart." in words
    assert "Published: published/segments.duckdb" in words
    assert "Warnings" not in words


def lines(words: str) -> list[str]:
    return [" ".join(line.split()) for line in words.splitlines()]


def test_lists_segments_with_their_shares_and_prospects_only_above(folder):
    printed = lines(summary(folder, []))
    assert "rfm Champions 1 50.0% 100.0%" in printed
    assert "rule (overlapping) Weekenders 1 50.0%" in printed
    assert not any("Prospects" in line for line in printed)
    low = printed.index("spend_breaks Low 1 50.0% <0.1%")
    assert printed[low + 1] == "High 3 50.0% 100.0%"


def test_counts_changes_by_scheme_and_never_over_schemes(folder):
    printed = lines(summary(folder, []))
    at = printed.index("Since 2020-01-01, 31 days Entered Left Mostly by")
    assert printed[at + 1 : at + 4] == ["rfm 2 1 behaviour", "rule 0 1 consent", ""]


def test_journeys_without_events_are_left_out(folder):
    with_events = summary(folder, [])
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute(
            "update monitoring.source_coverage set value = 0 where source_table = 'events'"
        )
    assert "Clusters of journeys" in with_events
    assert "Clusters of journeys" not in summary(folder, [])


@pytest.mark.parametrize(
    ("loaded", "guests", "why"),
    [
        (0, 0, "no orders were loaded"),
        (3, 3, "all 3 orders and returns are of guests"),
        (3, 1, "all customers were excluded"),
    ],
)
def test_says_why_there_are_no_customers(folder, loaded, guests, why):
    with duckdb.connect(str(folder / "published" / "segments.duckdb")) as file:
        file.execute("delete from customer_features")
        file.execute(
            "update monitoring.source_coverage set value = case check_name"
            f" when 'loaded' then {loaded} else {guests} end where source_table = 'orders'"
        )
    assert f"No eligible customers as of 2020-02-01: {why}" in summary(folder, [])


def test_prints_findings_of_warnings_and_never_rows_of_other_tests(folder):
    words = summary(folder, [WARNED, PRIVATE])
    assert "Check failed: each segment is fine." in words
    assert "rule:weekend (Weekenders) is small" in words
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
