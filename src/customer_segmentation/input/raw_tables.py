"""Raw tables as a check reads them: rows, hours and unreadable lines of all, values of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from customer_segmentation.input.raw_files import RawFile, relation_of
from customer_segmentation.sql import identifier

SAMPLE_ROWS = 2_000
SPREAD_UP_TO = 1_000_000  # rows; of a larger table the first rows are taken


@dataclass(frozen=True)
class RawTable:
    """Raw data that can be read.

    Attributes:
        label: What the user calls it: a path, or its name in the warehouse.
        sql: What it is read from, for a from clause.
        columns: Its columns, in order.
        name: Its name without folder and ending, or without database and schema.
    """

    label: str
    sql: str
    columns: tuple[str, ...]
    name: str

    @classmethod
    def of_file(cls, file: RawFile) -> RawTable:
        return cls(file.path, relation_of(file), file.columns, Path(file.path).name.split(".")[0])

    @property
    def is_csv(self) -> bool:
        return self.sql.startswith("read_csv")


class Hour(NamedTuple):
    """The rows whose time stamp is in one hour of the day."""

    hour: int
    rows: int
    first: datetime
    last: datetime
    midnights: int


@dataclass(frozen=True)
class Contents:
    """What was read of a table.

    Attributes:
        rows: Number of rows that can be read.
        hours: The rows with a time stamp, by hour.
        unreadable: Kind of error and number of lines, of a CSV file.
        sample: Values as text, trimmed and empty for null, by column.
    """

    rows: int
    hours: list[Hour]
    unreadable: list[tuple[str, int]]
    sample: dict[str, list[str]]


def read_contents(
    connection: duckdb.DuckDBPyConnection, table: RawTable, clock: str | None
) -> Contents:
    """Reads a table to its end, and a sample of it.

    Args:
        connection: A connection of one thread; more would draw another sample each time.
        table: What to read.
        clock: The column with the time stamps, if any.

    Raises:
        duckdb.Error: The table can't be read to its end.
    """
    stamp = "cast(null as timestamp)" if clock is None else _stamp(connection, table, clock)
    # An unreadable cell of a CSV file is found only when its column is read.
    counted = table.columns if table.is_csv else ()
    found = connection.execute(
        f"""
        with stamps as (select *, {stamp} as "the stamp" from {table.sql})
        select
            extract(hour from "the stamp"),
            count(*),
            min("the stamp"),
            max("the stamp"),
            count(*) filter (where "the stamp" = date_trunc('day', "the stamp"))
            {"".join(f", count({identifier(name)})" for name in counted)}
        from stamps
        group by extract(hour from "the stamp")
        """
    ).fetchall()
    rows = sum(row[1] for row in found)
    return Contents(
        rows=rows,
        hours=[Hour(*row[:5]) for row in found if row[2] is not None],
        unreadable=_unreadable_lines(connection) if table.is_csv else [],
        sample=_sample(connection, table, is_large=rows > SPREAD_UP_TO),
    )


def rows_by_day(
    connection: duckdb.DuckDBPyConnection, table: RawTable, clock: str
) -> list[tuple[date, int]]:
    """The number of rows of each day, in order; rows without a readable time stamp don't count."""
    return connection.execute(
        f"""
        select cast({_stamp(connection, table, clock)} as date) as day, count(*)
        from {table.sql}
        where day between date '0001-01-01' and date '9999-12-31'
        group by day
        order by day
        """
    ).fetchall()


def _stamp(connection: duckdb.DuckDBPyConnection, table: RawTable, column: str) -> str:
    name = identifier(column)
    described = connection.execute(f"describe select {name} from {table.sql}").fetchall()
    text = f"left(trim({name}), 19)" if described[0][1] == "VARCHAR" else name
    return f"try_cast({text} as timestamp)"


def _unreadable_lines(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    lines = connection.execute(
        """
        select error_type, count(distinct line)
        from reject_errors
        where scan_id = (select max(scan_id) from reject_errors)
        group by all
        order by all
        """
    ).fetchall()
    connection.execute("drop table reject_errors; drop table reject_scans")
    return lines


def _sample(
    connection: duckdb.DuckDBPyConnection, table: RawTable, *, is_large: bool
) -> dict[str, list[str]]:
    columns = ", ".join(f"cast({identifier(name)} as varchar)" for name in table.columns)
    spread = f"using sample reservoir({SAMPLE_ROWS} rows) repeatable (1)"
    part = f"limit {SAMPLE_ROWS}" if is_large else spread
    rows = connection.execute(f"select {columns} from {table.sql} {part}").fetchall()
    values = zip(*rows, strict=True) if rows else ([] for _ in table.columns)
    return {
        name: ["" if value is None else value.strip() for value in column]
        for name, column in zip(table.columns, values, strict=True)
    }
