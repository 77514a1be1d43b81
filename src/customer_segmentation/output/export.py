"""Writes the members of a segment to a file for other systems."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from customer_segmentation.near_names import unknown_segment
from customer_segmentation.output.last_build import open_to_read
from customer_segmentation.sql import literal

FORMATS = ("csv", "parquet")
# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

# Members of all kinds of consent; the columns of _NOT_EXPORTED are left out of the file.
MEMBERS = """
    select
        memberships.customer_id,
        {references}
        memberships.segment_key,
        memberships.reason,
        memberships.as_of,
        features.recency_days,
        features.frequency,
        features.monetary,
        customers.activation_consent,
        customers.is_held_out,
        customers.may_be_contacted
    from segment_memberships as memberships
    inner join customers using (customer_id)
    inner join customer_features as features using (customer_id)
    {join}
"""
# Of members, those who may be contacted and why others may not.
LEFT_OUT = """
    count(distinct customer_id) filter (may_be_contacted) as exported,
    count(distinct customer_id) filter (not activation_consent) as withdrawn,
    count(distinct customer_id)
        filter (activation_consent is null and not (may_be_contacted or is_held_out)) as unstated,
    count(distinct customer_id)
        filter (activation_consent is not false and is_held_out) as held_out
"""
_NOT_EXPORTED = ("activation_consent", "is_held_out", "may_be_contacted")
# Several records of a system may have one reference.
_JOIN_REFERENCES = """
    left join (
        select distinct customer_id, source_system, customer_ref from customer_records
    ) as records using (customer_id)
"""


class ExportError(ValueError):
    """The segment can't be exported; the message says what to change."""


@dataclass(frozen=True)
class Export:
    """What was written, and the members left out.

    Attributes:
        path: The file.
        rows: Its rows: one per customer, or with references one per reference.
        customers: Customers in it.
        withdrawn: Members left out who withdrew their consent to activation.
        unstated: Members left out who never stated whether they agree.
        held_out: Other members left out: the global holdout.
        states_consent: Whether any customer of the data set, member or not, made such a statement.
    """

    path: Path
    rows: int
    customers: int
    withdrawn: int
    unstated: int
    held_out: int
    states_consent: bool


def export_segment(
    segment_key: str, file_format: str, published: Path, path: Path, *, with_refs: bool = False
) -> Export:
    """Writes one row per member who may be contacted, by the rule of ``activation_outbox``.

    Text that a spreadsheet would run as a formula is prefixed with an apostrophe; numbers and dates
    stay as they are. Rows are sorted by their ids, so the same build gives the same file. The
    file is written as a whole or not at all.

    Args:
        segment_key: Such as ``rule:recent_buyers``.
        file_format: One of ``FORMATS``.
        published: The published file.
        path: Where to write. A missing folder is created, an existing file replaced.
        with_refs: One row per member, source system and reference of the member in it, by which
            other systems can join their contacts.

    Raises:
        ExportError: There is no such format or segment.
        NoBuildError: There is no published file.
    """
    if file_format not in FORMATS:
        raise ExportError(f"Format is '{file_format}'. Expected one of {', '.join(FORMATS)}.")
    keys = ["customer_id", *(["source_system", "customer_ref"] if with_refs else [])]
    with open_to_read(published) as connection:
        _check_segment(connection, segment_key)
        members = MEMBERS.format(
            references="".join(f"records.{key}," for key in keys[1:]),
            join=_JOIN_REFERENCES if with_refs else "",
        )
        connection.execute(
            f"create temporary table members as {members} where memberships.segment_key = ?",
            [segment_key],
        )
        counted = connection.execute(
            f"""
            select
                count(*) filter (may_be_contacted),
                {LEFT_OUT},
                exists (select 1 from customers where activation_consent is not null)
            from members
            """
        ).fetchall()
        columns = connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 'members'"
            " and column_name not in ? order by column_index",
            [_NOT_EXPORTED],
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
                f"copy (select {safe} from members where may_be_contacted"
                f" order by {', '.join(keys)})"
                f" to {literal(draft.as_posix())} ({options})"
            )
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    return Export(path, *counted[0])


def _check_segment(connection: duckdb.DuckDBPyConnection, segment_key: str) -> None:
    rows = connection.execute("select segment_key from segments order by segment_key").fetchall()
    keys = [key for (key,) in rows]
    if segment_key in keys:
        return
    raise ExportError(unknown_segment(segment_key, keys))


def _neutralised(column: str) -> str:
    starts = ", ".join(literal(start) for start in FORMULA_STARTS)
    return f"case when left({column}, 1) in ({starts}) then '''' || {column} else {column} end"
