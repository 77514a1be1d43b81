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
    open_to_read,
    published_file,
    read_artifact,
    vars_of_last_command,
    working_file,
)

_FINDINGS_PER_WARNING = 5
_FEW_BUYERS = 100  # of ten RFM segments, ten buyers each

# Customers without a completed order are outside every scheme of buyers, so they are counted once.
_OUTSIDE = "('prospect', 'returns_only')"
_SIZES = f"""
    select
        kpis.scheme,
        segments.name,
        kpis.customers,
        kpis.customer_share,
        kpis.revenue_share
    from segment_kpis as kpis
    inner join segments using (segment_key)
    where kpis.period = (select max(period) from segment_kpis) and kpis.customers > 0
        and segments.segment not in {_OUTSIDE}
    order by
        kpis.scheme = 'rule',
        kpis.scheme,
        case when kpis.scheme <> 'spend_breaks' then kpis.customers end desc,
        kpis.segment_key
"""
_CHANGES = """
    with counted as (
        select split_part(segment_key, ':', 1) as scheme, change, cause, count(*) as changes
        from segment_changes
        where changed_on = ?
        group by all
    ),

    causes as (
        select scheme, cause, sum(changes) as changes
        from counted
        group by all
    )

    select
        scheme,
        coalesce(sum(changes) filter (change = 'entered'), 0),
        coalesce(sum(changes) filter (change = 'exited'), 0),
        (
            select cause from causes
            where causes.scheme = counted.scheme
            order by causes.changes desc, cause limit 1
        )
    from counted
    group by scheme
    order by scheme = 'rule', scheme
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
    published = published_file(variables)
    if not published.exists():
        console.print(f"Nothing has been published to {published} yet.")
        return
    with open_to_read(published) as connection:
        _print_headline(connection, console)
        _print_synthetic(connection, console)
        _print_coverage(connection, console)
        _print_segments(connection, console)
        _print_changes(connection, console)
        _print_cluster_model(connection, console)
        names = dict(connection.execute("select segment_key, name from segments").fetchall())
    _print_failed_checks(results, working_file(variables), target, names, console)
    started = datetime.fromisoformat(results["metadata"]["invocation_started_at"])
    if published.stat().st_mtime < started.timestamp():
        console.print(
            f"\n{published} is from an earlier build; the last one did not replace it. "
            "The line 'Not published' above says why."
        )
    else:
        console.print(f"\nPublished: {published}")


def _print_headline(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    ((customers, buyers, revenue, as_of),) = connection.execute(
        """
        select
            count(*),
            count(*) filter (is_buyer),
            coalesce(sum(monetary), 0),
            (select max(period) from segment_kpis)
        from customer_features
        """
    ).fetchall()
    orders = dict(
        connection.execute(
            "select check_name, value from monitoring.source_coverage where source_table = 'orders'"
        ).fetchall()
    )
    loaded, guests = orders.get("loaded") or 0, orders.get("guests") or 0
    if not customers:
        why = (
            "no orders were loaded. Without a completed order and the var as_of the date is "
            "1970-01-01."
            if not loaded
            else f"all {loaded:,.0f} orders and returns are of guests: customer_ref is empty."
            if guests == loaded
            else "all customers were excluded. See is_excluded in customers."
        )
        console.print(f"\nNo eligible customers as of {as_of}: {why}")
        return
    outside = connection.execute(
        f"""
        select lower(segments.name), kpis.customers
        from segment_kpis as kpis
        inner join segments using (segment_key)
        where kpis.scheme = 'rfm' and kpis.period = ? and segments.segment in {_OUTSIDE}
            and kpis.customers > 0
        order by kpis.segment_key
        """,
        [as_of],
    ).fetchall()
    parts = ", ".join(f"{name} {number:,}" for name, number in [("buyers", buyers), *outside])
    console.print(
        f"\nEligible customers as of {as_of}: {customers:,} ({parts}). "
        f"Their revenue to date is {revenue:,.2f}, net of returns."
    )
    if guests:
        console.print(
            f"Guests placed {guests:,.0f} of {loaded:,.0f} orders and returns: without a "
            "customer_ref these are in no segment and in no revenue shown here."
        )
    if 0 < buyers < _FEW_BUYERS:
        console.print(
            f"With fewer than {_FEW_BUYERS} buyers a segment by rank or cluster holds a handful of "
            "customers: read those as a trial."
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
    whole = [table for table, synthetic, loaded in counted if synthetic == loaded]
    rows = [f"all rows of {', '.join(whole)}"] if whole else []
    rows += [
        f"{synthetic:,.0f} of {loaded:,.0f} rows of {table}"
        for table, synthetic, loaded in counted
        if synthetic < loaded
    ]
    ((customers,),) = connection.execute(
        "select count(*) from customers where is_synthetic and not is_excluded"
    ).fetchall()
    console.print(
        f"Synthetic data, not findings: {customers:,} of these customers; {'; '.join(rows)}."
    )


def _print_segments(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("Scheme")
    table.add_column("Segment")
    for heading in ("Customers", "Share", "Revenue share"):
        table.add_column(heading, justify="right")
    before = None
    for scheme, name, customers, share, revenue_share in connection.execute(_SIZES).fetchall():
        heading = "rule (overlapping)" if scheme == "rule" else scheme
        table.add_row(
            "" if scheme == before else heading,
            name,
            f"{customers:,}",
            percent(share),
            percent(revenue_share),
        )
        before = scheme
    if table.row_count:
        console.print(table)


def _print_changes(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """Entries and exits since the previous period, if there is one, by scheme."""
    periods = connection.execute(
        "select distinct period from segment_kpis order by period desc limit 2"
    ).fetchall()
    if len(periods) < 2:
        return
    (newest,), (before,) = periods
    since = f"Since {before}, {_counted((newest - before).days, 'day')}"
    counted = connection.execute(_CHANGES, [newest]).fetchall()
    if not counted:
        console.print(f"\n{since}: no customer entered or left a segment.")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(since)
    for heading in ("Entered", "Left"):
        table.add_column(heading, justify="right")
    table.add_column("Mostly by")
    for scheme, entered, exited, cause in counted:
        table.add_row(scheme, f"{entered:,}", f"{exited:,}", cause)
    console.print()
    console.print(table)


def _print_cluster_model(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    for scheme, verdict, why in connection.execute(
        """
        select scheme, verdict, why
        from models.cluster_models
        where status = 'in_force' and exists (select 1 from customer_features)
            and (scheme <> 'journeys' or exists (
                select 1 from monitoring.source_coverage
                where source_table = 'events' and check_name = 'loaded' and value > 0
            ))
        order by scheme
        """
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
        console.print(f"Quarantined: {_counted(rows, 'row')} of {source_table}, rule {rule}.")


def _print_failed_checks(
    results: Mapping[str, Any],
    working: Path,
    target: Path,
    names: Mapping[str, str],
    console: Console,
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
        for finding in findings or [f"{_counted(result['failures'], 'row')} found"]:
            console.print(f"  {_with_name(finding, names)}")


def _findings(working: Path, query: str) -> list[str]:
    """The findings of a test that words them; rows of other tests may hold personal data."""
    with open_to_read(working) as connection:
        rows = connection.sql(query)
        if rows.columns != ["finding"]:
            return []
        findings = [finding for (finding,) in rows.order("finding").fetchall()]
    more = len(findings) - _FINDINGS_PER_WARNING
    return findings[:_FINDINGS_PER_WARNING] + ([f"and {more} more"] if more > 0 else [])


def _with_name(finding: str, names: Mapping[str, str]) -> str:
    """The finding with a segment's name beside its key, since the table shows names."""
    key = finding.split(" ", 1)[0]
    return f"{key} ({names[key]}){finding[len(key) :]}" if key in names else finding


def _counted(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def percent(share: float | None) -> str:
    if share is None:
        return ""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
