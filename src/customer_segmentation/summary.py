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

PUBLISHED = Path("published/segments.duckdb")
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
            former say which files the build made.
        console: Where to print.
    """
    if not (target / "run_results.json").exists():
        console.print(f"No build has left its results in {target} yet. Build first: make build")
        return
    results = _read_json(target / "run_results.json")
    given = vars_of_last_command(target) or {}
    working = working_file(given)
    published = Path(given.get("publish_path", PUBLISHED))
    if not published.exists():
        console.print(f"No build has been published to {published} yet.")
        return
    with duckdb.connect(str(published), read_only=True) as connection:
        _print_headline(connection, console)
        _print_synthetic(connection, console)
        _print_segments(connection, console)
        _print_changes(connection, console)
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


def vars_of_last_command(target: Path) -> dict[str, Any] | None:
    """The ``--vars`` of dbt's last command, or None when there was none."""
    results = target / "run_results.json"
    if not results.exists():
        return None
    return dict(_read_json(results)["args"].get("vars") or {})


def working_file(given: Mapping[str, Any]) -> Path:
    """The working file of a build with these ``--vars``, as in profiles.yml."""
    return Path("warehouse") / f"{given.get('dataset', 'demo')}.duckdb"


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
            "excluded. source_coverage says how many rows came in. Without a completed order and "
            "without the var as_of, the date is 1970-01-01."
        )
        return
    console.print(
        f"\n{customers:,} eligible customers, {buyers:,} of them buyers, as of {as_of}. "
        f"Revenue {revenue:,.2f}."
    )


def _print_synthetic(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    """What is made up must not be read as a finding."""
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
        f"all {table}" if made_up == loaded else f"{made_up:,.0f} of {loaded:,.0f} {table}"
        for table, made_up, loaded in counted
    ]
    ((customers,),) = connection.execute(
        "select count(*) from customers where is_synthetic and not is_excluded"
    ).fetchall()
    console.print(
        f"Made up, so no findings: {customers:,} of these customers; {', '.join(shares)}."
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
    """What has changed since the period before; nothing where there is none."""
    periods = connection.execute(
        "select distinct period from segment_kpis order by period desc limit 2"
    ).fetchall()
    if len(periods) < 2:
        return
    (newest,), (before,) = periods
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
        console.print(f"\nSince {before}: nobody entered or left a segment.")
        return
    by_cause: dict[str, int] = {}
    for _, cause, number in counted:
        by_cause[cause] = by_cause.get(cause, 0) + number
    main = max(sorted(by_cause), key=lambda cause: by_cause[cause])
    share = by_cause[main] / (entered + exited)
    console.print(
        f"\nSince {before}: +{entered:,} entered, -{exited:,} left, "
        f"most by {main} ({share:.0%}).".replace("%", " %")
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
    nodes = _read_json(target / "manifest.json")["nodes"]
    console.print("\nWarnings")
    for result in sorted(warned, key=lambda result: str(result["unique_id"])):
        node = nodes[result["unique_id"]]
        console.print(f"- It should be that {node['name'].replace('_', ' ')}, but:")
        findings = _findings(working, result["compiled_code"])
        for finding in findings or [f"{result['failures']} rows don't agree"]:
            console.print(f"  {finding}")


def _findings(working: Path, query: str) -> list[str]:
    """What a test found, if it says so in words; other tests' rows may hold what is private."""
    with duckdb.connect(str(working), read_only=True) as connection:
        rows = connection.sql(query)
        if rows.columns != ["finding"]:
            return []
        findings = [finding for (finding,) in rows.order("finding").fetchall()]
    more = len(findings) - _FINDINGS_PER_WARNING
    return findings[:_FINDINGS_PER_WARNING] + ([f"and {more} more"] if more > 0 else [])


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
