"""The tables of a page, by its file of queries.

A query follows a line ``-- table: <name>``. Its columns, from left to right:

- what a row is about, such as a period and a segment;
- ``total_1``, ``total_2`` and ``is_secret``, where it has them: the totals its customers add up to
  that readers may know, as text or null, and whether the row is withheld whatever its size;
- ``curve``, ``count_1``, ``count_2`` and ``is_known``, where it has them: whose point the row is,
  the customers of two kinds up to it, and whether readers know it from elsewhere. Rows are in the
  order of the curve; those with too few customers between them are left out;
- ``part``, where it has one: rows that are left out together where totals give a small one away,
  null for rows that may be given away;
- ``customers``: how many customers the row is of, or what else must not be small, such as buyers;
- figures of these customers.

Of a row that is withheld, ``customers`` and all columns after it are null. A query without a column
``customers`` has no figures of customers in it. A table also has the types that its columns have in
SQL, for those who write it to a file again.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from customer_segmentation.cells import Cell, Point, kept_points, unprotected, withheld

_TABLE = re.compile(r"^-- table: (\w+)\n", re.MULTILINE)
_DIRECTIONS = {
    *("total_1", "total_2", "is_secret", "part", "curve", "count_1", "count_2", "is_known"),
}

Table = dict[str, list[Any]]


def tables(file: Path, connection: duckdb.DuckDBPyConnection, smallest: int) -> dict[str, Table]:
    """Runs the queries of a file: names of columns and rows of values for JSON, by table."""
    _, *parts = _TABLE.split(file.read_text(encoding="utf-8"))
    return {
        name: _table(connection.execute(sql), smallest)
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def _table(result: duckdb.DuckDBPyConnection, smallest: int) -> Table:
    columns = [name for name, *_ in result.description or ()]
    types = [str(type_) for _, type_, *_ in result.description or ()]
    rows = [[_plain(value) for value in row] for row in result.fetchall()]
    if "customers" in columns:
        at = columns.index("customers")
        cells = list(_cells(columns, rows))
        hidden = withheld(cells, smallest)
        for position in hidden:
            rows[position][at:] = [None] * (len(columns) - at)
        if "part" in columns:
            part = columns.index("part")
            given_away = {rows[at][part] for at in unprotected(cells, hidden, smallest)} - {None}
            rows = [row for row in rows if row[part] not in given_away]
    if "curve" in columns:
        rows = list(_far_points(columns, rows, smallest))
    kept = [at for at, name in enumerate(columns) if name not in _DIRECTIONS]
    return {
        "columns": [columns[at] for at in kept],
        "types": [types[at] for at in kept],
        "rows": [[row[at] for at in kept] for row in rows],
    }


def _cells(columns: list[str], rows: list[list[Any]]) -> Iterator[Cell]:
    places = {name: at for at, name in enumerate(columns)}
    for row in rows:
        totals = [(name, row[places[name]]) for name in ("total_1", "total_2") if name in places]
        yield Cell(
            row[places["customers"]] or 0,
            tuple(total for total in totals if total[1] is not None),
            is_secret="is_secret" in places and bool(row[places["is_secret"]]),
        )


def _far_points(columns: list[str], rows: list[list[Any]], smallest: int) -> Iterator[list[Any]]:
    curve, *counts, known = (
        columns.index(name) for name in ("curve", "count_1", "count_2", "is_known")
    )
    for _, group in groupby(rows, key=lambda row: row[curve]):
        found = list(group)
        points = [Point(tuple(row[at] for at in counts), row[known]) for row in found]
        yield from (found[position] for position in kept_points(points, smallest))


def _plain(value: Any) -> Any:
    """A value as JSON has it. Six digits are more than a chart shows."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, float):
        return float(f"{value:.6g}") if value == value else None
    return value
