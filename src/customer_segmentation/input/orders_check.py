"""Checks what only orders can have wrong: guests, amounts, ids of credit notes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import duckdb

from customer_segmentation.input.raw_tables import RawTable
from customer_segmentation.input.report import Report
from customer_segmentation.sql import identifier

_MOST_MARKS = 20  # of more different letters in ids, none is a mark: they are random, as in a hash
_SHARED_BY = 10  # rows; rarer letters are not shown
_RARE = 0.05  # share of the rows
_MOSTLY = 0.9
# Alone before or after the digits of an id.
_CREDIT_NOTES = (
    "avoir|c|cancel(led)?|cm|cn|cr|credit(note)?|crn|gs|gut(schrift)?|nc|r|rc|ref(und)?|ret(urn)?|"
    "reversal|rma|st|storno"
)


class _Mark(NamedTuple):
    """Letters at the beginning or end of ids, and the amounts of their rows."""

    place: str
    letters: str
    rows: int
    negative: int
    positive: int


def check_orders(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    named: Mapping[str, str],
    report: Report,
) -> None:
    """Adds to the report what the rows of orders say.

    Args:
        connection: A connection in which the table can be read.
        table: The raw orders.
        named: The column that is read as each contract column.
        report: What is added to. Of the ids it names letters that ten rows share, and no id.
    """
    reference, amount = named.get("customer_ref"), named.get("amount")
    number = f"try_cast({identifier(amount)} as double)" if amount else "cast(null as double)"
    text = f"trim(cast({identifier(reference)} as varchar))" if reference else "'?'"
    ((rows, guests, zeros, negative),) = connection.execute(
        f"""
        select
            count(*),
            count(*) filter (where coalesce({text}, '') = ''),
            count(*) filter (where {number} = 0),
            count(*) filter (where {number} < 0)
        from {table.sql}
        """
    ).fetchall()

    def add(number: int, words: str) -> None:
        if number:
            counted = f"{number:,} row{'' if number == 1 else 's'} ({_percent(number / rows)})"
            report.notes.append(f"{table.label} has {counted} {words}.")

    add(guests, "without a customer_ref: those orders are of guests")
    add(
        zeros,
        "with an amount of 0, and each counts its customer as a buyer. If they are samples, "
        "replacements or stock movements, set var zero_orders_count to false",
    )
    if zeros:
        report.variables["zero_orders_count"] = '"?"  # false: an order of 0 makes no buyer'
    add(negative, "with a negative amount; without a status they are returns")
    if "order_id" in named:
        _check_ids(connection, table, identifier(named["order_id"]), number, report)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "<0.1%"


def _check_ids(
    connection: duckdb.DuckDBPyConnection, table: RawTable, key: str, amount: str, report: Report
) -> None:
    """Reports letters that set ids apart: those of credit notes, and those that few ids have."""
    # The letters before the digits of C536379 and CN-1001, and after those of 1001-refund.
    found = connection.execute(
        f"""
        with ids as (
            select trim(cast({key} as varchar)) as id, {amount} as amount
            from {table.sql}
        ),

        marked as (
            select
                case
                    when regexp_matches(id, '[0-9][-_ /.]?[A-Za-z]+$') then 'ends in'
                    when regexp_matches(id, '^[A-Za-z]+') then 'begins with'
                    else ''
                end as place,
                case
                    when place = 'ends in' then regexp_extract(id, '[A-Za-z]+$')
                    else regexp_extract(id, '^[A-Za-z]+')
                end as letters,
                amount
            from ids
            where id <> ''
        )

        select
            place,
            upper(letters),
            count(*),
            count(*) filter (where amount < 0),
            count(*) filter (where amount > 0)
        from marked
        group by all
        order by count(*) desc, place, upper(letters)
        limit {_MOST_MARKS + 2}
        """
    ).fetchall()
    rows = sum(mark[2] for mark in found)
    marks = [_Mark(*mark) for mark in found if mark[0] and mark[2] < 0.5 * rows]
    if len(marks) > _MOST_MARKS:
        return
    others = 0
    for mark in marks:
        ids = f"{table.label} has {mark.rows:,} row{'' if mark.rows == 1 else 's'} whose order_id"
        ids = f"{ids} {mark.place} {mark.letters}"
        is_word = re.fullmatch(_CREDIT_NOTES, mark.letters.lower())
        if (is_word or mark.rows >= _SHARED_BY) and mark.negative >= _MOSTLY * mark.rows:
            report.notes.append(f"{ids}, with negative amounts: credit notes, read as returns.")
        elif is_word and mark.positive > mark.negative:
            report.notes.append(
                f"{ids}, and amounts above 0 in {mark.positive:,} of them. If they are credit "
                f"notes, turn the sign."
            )
        elif is_word:
            report.notes.append(
                f"{ids}, as credit notes do. The amounts of credit notes are negative."
            )
        elif mark.rows < _RARE * rows:
            others += mark.rows
    if others:
        report.notes.append(
            f"{table.label} has {others:,} row{'' if others == 1 else 's'} whose order_id begins "
            f"or ends with letters that few have. Look whether they are orders: bookkeeping and "
            f"tests aren't."
        )
