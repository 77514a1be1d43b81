"""The file of a role holds what its kinds of tables say, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from conftest import ROLES, Build
from test_roles import tried_cells

from customer_segmentation.output.roles import role_file

IDS = {"customer_id", "customer_key", "record_id", "record_key", "customer_ref"}
REFERENCES = {"record_id", "record_key", "customer_ref"}


@pytest.fixture(scope="module", params=sorted(ROLES))
def role(
    request: pytest.FixtureRequest, reference: Build
) -> Iterator[tuple[str, duckdb.DuckDBPyConnection]]:
    path = role_file(reference.passed().published, request.param)
    with duckdb.connect(str(path), read_only=True) as connection:
        yield request.param, connection


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns of each table and view, by schema and name."""
    found: dict[str, set[str]] = {}
    for schema, table, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where not internal"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", set()).add(column)
    return found


def test_a_role_has_the_tables_of_its_kinds_and_the_data_set(
    role: tuple[str, duckdb.DuckDBPyConnection],
) -> None:
    name, connection = role
    found = columns_of(connection)
    assert "monitoring.data_set" in found
    schemas = {table.partition(".")[0] for table in found}
    if name == "marketing":
        assert {table for table in found if not table.startswith("aggregates.")} == {
            "main.activation_outbox",
            "monitoring.data_set",
        }
        assert {"aggregates.kpis", "aggregates.moves"} < set(found)
    elif name == "analyst":
        assert {"main.customers", "main.segment_memberships"} < set(found)
        assert not {table for table, columns in found.items() if columns & REFERENCES}
        assert not {"aggregates"} & schemas
    elif name == "science":
        assert schemas == {"models", "monitoring"}
        assert not {table for table, columns in found.items() if columns & IDS}
    else:
        assert set(found) == {
            "main.customer_id_changes",
            "main.customer_records",
            "monitoring.audit_log",
            "monitoring.data_set",
            "monitoring.quarantined_records",
            "monitoring.data_tests",
            "monitoring.reidentification_risk",
            "monitoring.source_coverage",
        }


def test_no_value_of_a_role_without_customers_is_the_id_of_one(
    role: tuple[str, duckdb.DuckDBPyConnection], reference: Build
) -> None:
    name, connection = role
    ids = {id_ for (id_,) in reference.rows("select customer_id from customers")}
    assert ids
    named = set()
    for table in columns_of(connection):
        for row in connection.execute(f"from {table}").fetchall():
            if any(value in ids for value in row if isinstance(value, str)):
                named.add(table)
                break
    if name == "science":
        assert not named
    elif name == "marketing":
        assert named <= {"main.activation_outbox"}
    else:
        # A control: the scan finds ids where they are.
        assert named


def test_views_and_rows_are_those_of_the_whole_file(reference: Build) -> None:
    with duckdb.connect() as connection:
        for name, file in {
            "whole": reference.passed().published,
            "analyst": role_file(reference.published, "analyst"),
        }.items():
            connection.execute(f"attach '{file}' as {name} (read_only)")
        for table in ["customers", "segment_memberships", "segment_history", "segment_kpis"]:
            ((rows, others),) = connection.execute(
                f"select (select count(*) from whole.{table}), (select count(*) from "
                f"(from whole.{table} except from analyst.main.{table}))"
            ).fetchall()
            assert (rows > 0, others) == (True, 0)
        comments = connection.execute(
            "select distinct comment from duckdb_columns() "
            "where table_name = 'customers' and column_name = 'customer_id'"
        ).fetchall()
    assert len(comments) == 1
    assert comments[0][0]


def test_only_owner_and_group_may_read_a_role(reference: Build) -> None:
    for name in ROLES:
        file = role_file(reference.passed().published, name)
        assert file.stat().st_mode & 0o777 == 0o640
        assert file.parent.stat().st_mode & 0o007 == 0
        assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_no_small_cell_of_a_role_without_customers_follows_from_the_others(
    reference: Build,
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{reference.passed().published}' as whole (read_only)")
        file = role_file(reference.published, "marketing")
        connection.execute(f"attach '{file}' as role (read_only)")
        sizes = connection.execute("""
            select (period, segment_key), if(is_exclusive, (period, scheme), null),
                shown.customers, truth.customers
            from role.aggregates.sizes as shown
            inner join whole.segment_kpis as truth using (period, scheme, segment_key)
            inner join whole.segments using (segment_key, scheme)
        """).fetchall()
        moves = connection.execute("""
            select (period, from_segment, to_segment),
                (select max(period) from whole.segment_kpis as k where k.period < truth.period),
                shown.customers, truth.customers
            from role.aggregates.moves as shown
            inner join whole.segment_transitions as truth
                using (period, from_segment, to_segment)
        """).fetchall()
    assert sizes
    assert tried_cells(sizes, moves)
