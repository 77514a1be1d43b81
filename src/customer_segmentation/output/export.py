"""Writes the members of a segment to a file for other systems."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from customer_segmentation.near_names import did_you_mean
from customer_segmentation.output.last_build import open_to_read
from customer_segmentation.sql import literal

FORMATS = ("csv", "parquet")
# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

_MEMBERS = """
    select
        memberships.customer_id,
        memberships.segment_key,
        memberships.reason,
        memberships.as_of,
        features.recency_days,
        features.frequency,
        features.monetary,
        coalesce(customers.activation_consent, true) as may_be_addressed
    from segment_memberships as memberships
    inner join customers using (customer_id)
    inner join customer_features as features using (customer_id)
    where memberships.segment_key = ?
"""


class ExportError(ValueError):
    """The segment can't be exported; the message says what to change."""


@dataclass(frozen=True)
class Export:
    """What was written: a file, its rows, and the members left out who withdrew their consent."""

    path: Path
    rows: int
    withdrawn: int


def export_segment(segment_key: str, file_format: str, published: Path, path: Path) -> Export:
    """Writes one row per member, except those who withdrew their consent to activation.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe; numbers and dates
    stay as they are. Rows are sorted by customer_id, so the same build gives the same file. The
    file is written as a whole or not at all.

    Args:
        segment_key: Such as ``rule:recent_buyers``.
        file_format: One of ``FORMATS``.
        published: The published file.
        path: Where to write. A missing folder is created, an existing file replaced.

    Raises:
        ExportError: There is no such format or segment.
        NoBuildError: There is no published file.
    """
    if file_format not in FORMATS:
        raise ExportError(f"Format is '{file_format}'. Expected one of {', '.join(FORMATS)}.")
    with open_to_read(published) as connection:
        _check_segment(connection, segment_key)
        connection.execute(f"create temporary table members as {_MEMBERS}", [segment_key])
        counted = connection.execute(
            "select count(*) filter (may_be_addressed), count(*) from members"
        ).fetchall()
        ((rows, members),) = counted
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 'members'"
            " and column_name <> 'may_be_addressed' order by column_index"
        ).fetchall()
        safe = ", ".join(
            f"{_neutralised(name)} as {name}" if kind == "VARCHAR" else name
            for name, kind in columns
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        options = "format parquet" if file_format == "parquet" else "format csv, header"
        try:
            connection.sql(
                f"copy (select {safe} from members where may_be_addressed order by customer_id)"
                f" to {literal(draft.as_posix())} ({options})"
            )
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return Export(path, rows, members - rows)


def _check_segment(connection: duckdb.DuckDBPyConnection, segment_key: str) -> None:
    rows = connection.execute("select segment_key from segments order by segment_key").fetchall()
    keys = [key for (key,) in rows]
    if segment_key in keys:
        return
    raise ExportError(f"There is no segment '{segment_key}'. {did_you_mean(segment_key, keys)}")


def _neutralised(column: str) -> str:
    starts = ", ".join(literal(start) for start in FORMULA_STARTS)
    return f"case when left({column}, 1) in ({starts}) then '''' || {column} else {column} end"
