"""The summary of a build: sizes of segments, changes, warnings and where the file is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from customer_segmentation.output.last_build import (
    PUBLISHED,
    open_to_read,
    read_artifact,
    vars_of_last_command,
    working_file,
)

_FINDINGS_PER_WARNING = 5

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


def print_summary(target: Path, console: Console) -> None:
    """Prints the summary of the last build.

    Args:
        target: dbt's target folder with ``run_results.json`` and ``manifest.json``. The vars in the
            former say which files the build wrote.
        console: Where to print.

    Raises:
        NoBuildError: There was no build.
    """
    results = read_artifact(target, "run_results")
    variables = vars_of_last_command(target)
    published = Path(variables.get("publish_path", PUBLISHED))
    if not published.exists():
        console.print(f"Nothing has been published to {published} yet.")
        return
    with open_to_read(published) as connection:
        _print_headline(connection, console)
        _print_synthetic(connection, console)
        _print_segments(connection, console)
        _print_changes(connection, console)
        _print_coverage(connection, console)
        _print_cluster_model(connection, console)
    _print_failed_checks(results, working_file(variables), target, console)
    started = datetime.fromisoformat(results["metadata"]["invocation_started_at"])
    if published.stat().st_mtime < started.timestamp():
        console.print(
            f"\n{published} is from an earlier build; the last one did not replace it. "
            "The line 'Not published' above says why."
        )
    else:
        console.print(f"\nPublished: {published}")


def _print_headline(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    rows = connection.execute(
        """
        select
            count(*),
            count(*) filter (is_buyer),
            coalesce(sum(monetary), 0),
            (select max(period) from segment_kpis)
        from customer_features
        """
    ).fetchall()
    customers, buyers, revenue, as_of = rows[0]
    if not customers:
        console.print(
            f"\nNo eligible customers as of {as_of}: no orders or records were loaded, or all were "
            "excluded. See source_coverage for the rows loaded. Without a completed order and the "
            "var as_of the date is 1970-01-01."
        )
        return
    console.print(
        f"\n{customers:,} eligible customers, {buyers:,} of them buyers, as of {as_of}. "
        f"Revenue {revenue:,.2f}."
    )


def _print_synthetic(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """Synthetic rows must not be read as findings."""
    counted = connection.execute(
        """
        select source_table, synthetic.value, loaded.value
        from monitoring.source_coverage as synthetic
        inner join monitoring.source_coverage as loaded using (source_table)
        where synthetic.check_name = 'synthetic' and loaded.check_name = 'loaded'
            and synthetic.value > 0
        order by source_table
        """
    ).fetchall()
    if not counted:
        return
    shares = [
        f"all {table}" if synthetic == loaded else f"{synthetic:,.0f} of {loaded:,.0f} {table}"
        for table, synthetic, loaded in counted
    ]
    ((customers,),) = connection.execute(
        "select count(*) from customers where is_synthetic and not is_excluded"
    ).fetchall()
    console.print(
        f"Synthetic data, not findings: {customers:,} of these customers, {', '.join(shares)}."
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
            percent(share),
            percent(revenue_share),
        )
        before = scheme
    if table.row_count:
        console.print(table)


def _print_changes(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """Entries and exits since the previous period, if there is one."""
    periods = connection.execute(
        "select distinct period from segment_kpis order by period desc limit 2"
    ).fetchall()
    if len(periods) < 2:
        return
    (newest,), (before,) = periods
    # A date in the middle of a period has fewer days to move in than a whole one.
    since = f"{before} ({(newest - before).days} days)"
    counted = connection.execute(
        """
        select change, cause, count(*)
        from segment_changes
        where changed_on = ?
        group by all
        order by count(*) desc, change, cause
        """,
        [newest],
    ).fetchall()
    entered = sum(number for change, _, number in counted if change == "entered")
    exited = sum(number for change, _, number in counted if change == "exited")
    if not counted:
        console.print(f"\nSince {since}: no customer entered or left a segment.")
        return
    by_cause: dict[str, int] = {}
    for _, cause, number in counted:
        by_cause[cause] = by_cause.get(cause, 0) + number
    main = max(sorted(by_cause), key=lambda cause: by_cause[cause])
    share = by_cause[main] / (entered + exited)
    console.print(
        f"\nSince {since}: +{entered:,} entered, -{exited:,} left, mostly by {main} ({share:.0%})."
    )


def _print_cluster_model(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    for scheme, verdict, why in connection.execute(
        "select scheme, verdict, why from models.cluster_models"
        " where status = 'in_force' order by scheme"
    ).fetchall():
        named = "Clusters" if scheme == "cluster" else f"Clusters of {scheme}"
        console.print(f"\n{named}, verdict {verdict}: {why}")


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
    nodes = read_artifact(target, "manifest")["nodes"]
    console.print("\nWarnings")
    for result in sorted(warned, key=lambda result: str(result["unique_id"])):
        node = nodes[result["unique_id"]]
        console.print(f"- Check failed: {node['name'].replace('_', ' ')}.")
        findings = _findings(working, result["compiled_code"])
        for finding in findings or [f"{result['failures']} rows fail"]:
            console.print(f"  {finding}")


def _findings(working: Path, query: str) -> list[str]:
    """The findings of a test that words them; rows of other tests may hold personal data."""
    with open_to_read(working) as connection:
        rows = connection.sql(query)
        if rows.columns != ["finding"]:
            return []
        findings = [finding for (finding,) in rows.order("finding").fetchall()]
    more = len(findings) - _FINDINGS_PER_WARNING
    return findings[:_FINDINGS_PER_WARNING] + ([f"and {more} more"] if more > 0 else [])


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
