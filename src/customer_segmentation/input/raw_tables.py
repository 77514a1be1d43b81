"""Raw tables as a check reads them: rows, hours and unreadable lines of all, values of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from customer_segmentation.input.raw_files import RawFile, load_raw_file, relation_of
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
        text: The files to load first, where it is CSV or JSON lines.
    """

    label: str
    sql: str
    columns: tuple[str, ...]
    name: str
    text: RawFile | None = None

    @classmethod
    def of_file(cls, file: RawFile) -> RawTable:
        name = Path(file.path).name.split(".")[0]
        if file.format == "parquet":
            return cls(file.path, relation_of(file), file.columns, name)
        return cls(file.path, identifier(f"text_{name}"), file.columns, name, text=file)


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
        RawFileError: Its file is damaged, or lines of it would be lost.
    """
    unreadable = _load_text(connection, table) if table.text else []
    stamp = "cast(null as timestamp)" if clock is None else _stamp(connection, table, clock)
    found = connection.execute(
        f"""
        with stamps as (select *, {stamp} as "the stamp" from {table.sql})
        select
            extract(hour from "the stamp"),
            count(*),
            min("the stamp"),
            max("the stamp"),
            count(*) filter (where "the stamp" = date_trunc('day', "the stamp"))
        from stamps
        group by extract(hour from "the stamp")
        """
    ).fetchall()
    rows = sum(row[1] for row in found)
    return Contents(
        rows=rows,
        hours=[Hour(*row[:5]) for row in found if row[2] is not None],
        unreadable=unreadable,
        sample=_sample(connection, table, is_large=rows > SPREAD_UP_TO),
    )


def _stamp(connection: duckdb.DuckDBPyConnection, table: RawTable, column: str) -> str:
    name = identifier(column)
    described = connection.execute(f"describe select {name} from {table.sql}").fetchall()
    text = f"left(trim({name}), 19)" if described[0][1] == "VARCHAR" else name
    return f"try_cast({text} as timestamp)"


def _load_text(connection: duckdb.DuckDBPyConnection, table: RawTable) -> list[tuple[str, int]]:
    """Loads the files of a table; returns the kinds of its unreadable lines, with their numbers."""
    assert table.text
    connection.execute("create or replace temp table rejected (name text, line bigint, error text)")
    load_raw_file(connection, table.text, table.sql, "rejected")
    return connection.execute(
        "select error, count(*) from rejected group by error order by error"
    ).fetchall()


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
