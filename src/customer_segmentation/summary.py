"""Says in plain words what a build made: segments, what to look at twice, where the file is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

# Rows of these tests hold ids of segments and sources, never of people.
_TESTS_SHOWN_IN_FULL = ("tests/marts/", "tests/segmentation/")
_ROWS_PER_WARNING = 5

_SIZES = """
    select
        kpis.scheme,
        segments.name,
        kpis.customers,
        kpis.customer_share,
        kpis.revenue_share
    from segment_kpis as kpis
    inner join segments using (segment_key)
    where kpis.period = (select max(period) from segment_kpis) and kpis.customers > 0
    order by kpis.scheme = 'rule', kpis.scheme, kpis.customers desc, kpis.segment_key
"""


def print_summary(published: Path, working: Path, target: Path, console: Console) -> None:
    """Prints the summary of the last build.

    Args:
        published: The published file.
        working: The working file, for the rows behind a warning.
        target: dbt's target folder with ``run_results.json`` and ``manifest.json``.
        console: Where to print.
    """
    results = _read_json(target / "run_results.json")
    if not published.exists():
        console.print(f"No build has been published to {published} yet.")
        return
    with duckdb.connect(str(published), read_only=True) as connection:
        _print_headline(connection, console)
        _print_segments(connection, console)
        _print_coverage(connection, console)
        _print_cluster_model(connection, console)
    _print_failed_checks(results, working, target, console)
    started = datetime.fromisoformat(results["metadata"]["invocation_started_at"])
    if published.stat().st_mtime < started.timestamp():
        console.print(
            f"\n{published} is from an earlier build: the last one did not replace it. "
            "dbt's line 'Not published' above says why."
        )
    else:
        console.print(f"\nPublished: {published}")


def _print_headline(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    rows = connection.execute(
        """
        select count(*), count(*) filter (is_buyer), max(as_of), coalesce(sum(monetary), 0)
        from customer_features
        """
    ).fetchall()
    customers, buyers, as_of, revenue = rows[0]
    if not customers:
        console.print(
            "\nNo eligible customers: no orders or records were loaded, or all were excluded. "
            "source_coverage says how many rows came in."
        )
        return
    console.print(
        f"\n{customers:,} eligible customers, {buyers:,} of them buyers, as of {as_of}. "
        f"Revenue {revenue:,.2f}."
    )


def _print_segments(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("Scheme")
    table.add_column("Segment")
    for heading in ("Customers", "Share", "Revenue share"):
        table.add_column(heading, justify="right")
    before = None
    for scheme, name, customers, share, revenue_share in connection.execute(_SIZES).fetchall():
        table.add_row(
            "" if scheme == before else scheme,
            name,
            f"{customers:,}",
            _percent(share),
            _percent(revenue_share),
        )
        before = scheme
    if table.row_count:
        console.print(table)


def _print_cluster_model(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    for verdict, why in connection.execute(
        "select verdict, why from models.cluster_models where status = 'in_force'"
    ).fetchall():
        console.print(f"\nClusters, verdict {verdict}: {why}")


def _print_coverage(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    quarantined = connection.execute(
        """
        select source_table, rule, count(*)
        from monitoring.quarantined_records
        group by all
        order by all
        """
    ).fetchall()
    for source_table, rule, rows in quarantined:
        console.print(f"Quarantined: {rows:,} rows of {source_table}, rule {rule}.")


def _print_failed_checks(
    results: Mapping[str, Any], working: Path, target: Path, console: Console
) -> None:
    warned = [
        result
        for result in results["results"]
        if result["status"] == "warn" and result["unique_id"].startswith("test.")
    ]
    if not warned:
        return
    nodes = _read_json(target / "manifest.json")["nodes"]
    console.print("\nWarnings")
    for result in sorted(warned, key=lambda result: str(result["unique_id"])):
        node = nodes[result["unique_id"]]
        words = node["name"].replace("_", " ")
        times = f"{result['failures']} time" + ("s" if result["failures"] != 1 else "")
        console.print(f"- Expected: {words}. Not so {times}.")
        if node["original_file_path"].startswith(_TESTS_SHOWN_IN_FULL):
            for line in _failing_rows(working, result["compiled_code"]):
                console.print(f"    {line}")


def _failing_rows(working: Path, query: str) -> list[str]:
    with duckdb.connect(str(working), read_only=True) as connection:
        cursor = connection.execute(f"select * from ({query}) order by all")
        names = [column[0] for column in cursor.description or []]
        rows = cursor.fetchmany(_ROWS_PER_WARNING + 1)
    lines = [
        ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=True) if value != "")
        for row in rows[:_ROWS_PER_WARNING]
    ]
    return lines + (["..."] if len(rows) > _ROWS_PER_WARNING else [])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
