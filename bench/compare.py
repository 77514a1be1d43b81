"""Checks that the bare script's marts hold what the project's published ones do, row for row."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

# The project's quartiles of larger segments are those of a part of the members.
_IS_SMALL = "customers < 20000"
# What both have, by mart: SQL for the project, SQL for the bare script. Customers are compared by
# source_system and customer_ref, because each side has ids of its own.
_SHARED = {
    "customers": (
        "select r.source_system, r.customer_ref, c.first_seen_on, c.last_seen_on "
        "from project.customers c join project.customer_records r using (customer_id)",
        "select * exclude customer_key from bare.customers",
    ),
    "customer_features": (
        "select r.source_system, r.customer_ref, f.recency_days, f.frequency, f.monetary, "
        "f.monetary_mean, f.tenure_days, f.purchase_days, f.orders_365d, f.revenue_365d, "
        "f.is_buyer "
        "from project.customer_features f join project.customer_records r using (customer_id)",
        "select p.source_system, p.customer_ref, f.* exclude (customer_key, as_of) "
        "from bare.customer_features f join bare.customers p using (customer_key)",
    ),
    "customer_segments": (
        "select r.source_system, r.customer_ref, recency_score, frequency_score, monetary_score, "
        "rfm_segment, value_tier, spend_band, spend_limit, purchase_rhythm, lifecycle, "
        "demographic, cluster_key, is_buyer "
        "from project.customer_segments s join project.customer_records r using (customer_id)",
        "select p.source_system, p.customer_ref, s.* exclude (customer_key, as_of) "
        "from bare.customer_segments s join bare.customers p using (customer_key)",
    ),
    "segment_memberships": (
        "select r.source_system, r.customer_ref, m.segment_key "
        "from project.segment_memberships m join project.customer_records r using (customer_id)",
        "select p.source_system, p.customer_ref, m.segment_key "
        "from bare.segment_memberships m join bare.customers p using (customer_key)",
    ),
    "segment_profiles": (
        "select segment_key, feature, members, mean, "
        + ", ".join(f"case when {_IS_SMALL} then quartile_{i} end" for i in (1, 2, 3))
        + " from project.segment_profiles join project.segment_kpis using (segment_key) "
        "where feature in (select feature from bare.segment_profiles)",
        "select segment_key, feature, members, mean, "
        + ", ".join(f"case when {_IS_SMALL} then quartiles[{i}] end" for i in (1, 2, 3))
        + " from bare.segment_profiles join bare.segment_kpis using (segment_key)",
    ),
    "segment_kpis": (
        "select segment_key, customers, revenue from project.segment_kpis where customers > 0",
        "select * from bare.segment_kpis",
    ),
    "segment_history": (
        "select segment_key, valid_from, valid_to, count(*) from project.segment_history "
        "group by all",
        "select segment_key, valid_from, valid_to, count(*) from bare.segment_history group by all",
    ),
    "segment_changes": (
        "select segment_key, change, changed_on, cause, count(*) from project.segment_changes "
        "group by all",
        "select segment_key, change, changed_on, cause, count(*) from bare.segment_changes "
        "group by all",
    ),
    "quarantined_records": (
        "select source_system, rule, count(*) from project.monitoring.quarantined_records "
        "group by all",
        "select source_system, rule, count(*) from bare.quarantined_records group by all",
    ),
    "source_coverage": (
        "select check_name, value from project.monitoring.source_coverage where source_table = "
        "'orders' and check_name in ('rows', 'loaded', 'deduplicated', 'quarantined')",
        "select check_name, value from bare.source_coverage",
    ),
}


def differences(project: Path, bare: Path) -> dict[str, int]:
    """Rows that only one of the two files has, by mart; an empty mapping when they are equal."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '2500MB'")
        connection.execute(f"attach '{project}' as project (read_only)")
        connection.execute(f"attach '{bare}' as bare (read_only)")
        for mart, (ours, theirs) in _SHARED.items():
            (rows,) = connection.execute(
                f"select count(*) from ((({ours}) except all ({theirs})) "
                f"union all (({theirs}) except all ({ours})))"
            ).fetchall()[0]
            if rows:
                found[mart] = rows
    return found


def unlike_tables(left: Path, right: Path) -> dict[str, int]:
    """Rows that only one of two published files has, by table; not of the log of builds."""
    found = {}
    with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        connection.execute(f"attach '{left}' as one (read_only)")
        connection.execute(f"attach '{right}' as other (read_only)")
        tables, others = (
            connection.execute(
                "select table_schema || '.' || table_name from information_schema.tables "
                "where table_catalog = ? and table_name <> 'audit_log' order by all",
                [name],
            ).fetchall()
            for name in ("one", "other")
        )
        if tables != others:
            raise ValueError(f"{left} and {right} have other tables")
        for (table,) in tables:
            (rows,) = connection.execute(
                f"select count(*) from ((from one.{table} except all from other.{table}) "
                f"union all (from other.{table} except all from one.{table}))"
            ).fetchall()[0]
            if rows:
                found[table] = rows
    return found


if __name__ == "__main__":
    different = differences(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.exit(f"rows that only one side has: {different}" if different else 0)
