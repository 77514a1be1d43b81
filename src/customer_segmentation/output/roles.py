"""One file per role beside the published one: each holds the kinds of tables its readers may see.

The kind ``aggregates`` is the data of the explorer, so that a reader of both learns no more than
one of them shows: two ways to withhold the same figures could be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from customer_segmentation.sql import identifier, literal
from explorer.build import read_data

# The name of a role is that of a folder and, in a warehouse, part of statements.
NAME_OF_ROLE = re.compile("[a-z][a-z0-9_]*")
KINDS = ("aggregates", "outbox", "customers", "references", "models", "quality")
MODE_OF_FILE = 0o640
# Others can't enter, not even while a file is being written.
MODE_OF_FOLDER = 0o750
# Tables of the explorer's data that name customers, or describe other tables.
NO_AGGREGATES = ("samples", "marts", "columns")

Table = tuple[str, str]


def role_file(published: Path, role: str) -> Path:
    """Where the file of a role goes: a folder of its own, which may belong to a group."""
    return published.parent / "roles" / role / published.name


@contextmanager
def role_drafts(
    whole: Path,
    published: Path,
    roles: Mapping[str, Sequence[str]],
    kinds: Mapping[Table, str],
    options: str,
    marker: tuple[str, str],
) -> Iterator[list[tuple[Path, Path]]]:
    """Writes a draft for each role; what is left of the drafts at the end is removed.

    Args:
        whole: A finished file with all tables.
        published: The path that the whole file will have.
        roles: The kinds of tables that each role may see.
        kinds: The kind of each table, by schema and name.
        options: Those of attach for the files to write.
        marker: Name and text of the macro that every published file has.

    Yields:
        Each draft, which only its owner may read yet, with the path it is to have.
    """
    drafts: list[tuple[Path, Path]] = []
    try:
        if roles:
            with duckdb.connect(":memory:") as connection:
                connection.execute(f"attach {literal(whole.as_posix())} as whole (read_only)")
                connection.execute("use whole")
                aggregates = {}
                if any("aggregates" in wanted for wanted in roles.values()):
                    aggregates = read_data(connection)
                for role, wanted in sorted(roles.items()):
                    target = role_file(published, role)
                    target.parent.mkdir(mode=MODE_OF_FOLDER, parents=True, exist_ok=True)
                    draft = target.with_name(f".{target.name}.draft")
                    drafts.append((draft, target))
                    remove(draft)
                    chosen = {table for table, kind in kinds.items() if kind in wanted}
                    connection.execute(f"attach {literal(draft.as_posix())} as role ({options})")
                    draft.chmod(0o600)
                    # Hundreds of transactions would take longer than writing the rows.
                    connection.begin()
                    name, text = marker
                    connection.execute(f"create macro role.main.{name}() as {text}")
                    _copy(connection, chosen | {("monitoring", "data_set")})
                    if "aggregates" in wanted:
                        _write_aggregates(connection, aggregates)
                    connection.commit()
                    connection.execute("checkpoint role")
                    connection.execute("detach role")
        yield drafts
    finally:
        for draft, _ in drafts:
            remove(draft)


def remove(path: Path) -> None:
    """Removes a DuckDB file and its log."""
    for leftover in (path, path.with_name(f"{path.name}.wal")):
        leftover.unlink(missing_ok=True)


def _copy(connection: duckdb.DuckDBPyConnection, chosen: set[Table]) -> None:
    found = connection.execute(
        """
        select schema_name, table_name, 'table', null, comment
        from duckdb_tables() where database_name = 'whole'
        union all
        select schema_name, view_name, 'view', sql, comment
        from duckdb_views() where database_name = 'whole' and not internal
        order by 3, 1, 2
        """
    ).fetchall()
    columns = connection.execute(
        """
        select schema_name, table_name, column_name, comment
        from duckdb_columns() where database_name = 'whole' and comment is not null
        order by all
        """
    ).fetchall()
    for schema, name, kind, sql, comment in found:
        if (schema, name) not in chosen:
            continue
        connection.execute(f"create schema if not exists role.{identifier(schema)}")
        target = f"role.{identifier(schema, name)}"
        if kind == "table":
            connection.execute(
                f"create table {target} as select * from whole.{identifier(schema, name)}"
            )
        else:
            # Its own names have no database, so it is made where they mean the new file's tables.
            connection.execute("use role")
            connection.execute(sql)
            connection.execute("use whole")
        if comment:
            connection.execute(f"comment on {kind} {target} is {literal(comment)}")
        for column_schema, table, column, text in columns:
            if (column_schema, table) == (schema, name):
                connection.execute(
                    f"comment on column {target}.{identifier(column)} is {literal(text)}"
                )


def _write_aggregates(
    connection: duckdb.DuckDBPyConnection, aggregates: Mapping[str, dict[str, list[Any]]]
) -> None:
    ((smallest,),) = connection.execute("select smallest_cell from monitoring.data_set").fetchall()
    comment = (
        f"As in the explorer: figures of fewer than {smallest} customers are null, with as many "
        f"others as it takes that none follows from totals. Numbers have six digits."
    )
    connection.execute("create schema role.aggregates")
    for name, table in aggregates.items():
        if name in NO_AGGREGATES:
            continue
        target = f"role.aggregates.{identifier(name)}"
        columns = list(map(list, zip(*table["rows"], strict=True))) or [[]] * len(table["columns"])
        selected = ", ".join(
            f"unnest(cast(? as {type_}[])) as {identifier(column)}"
            for column, type_ in zip(table["columns"], table["types"], strict=True)
        )
        connection.execute(f"create table {target} as select {selected}", columns)
        connection.execute(f"comment on table {target} is {literal(comment)}")
