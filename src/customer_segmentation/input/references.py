"""Checks the references to customers in raw tables: words that mean none, and what meets nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import yaml

from customer_segmentation.input.raw_tables import RawTable
from customer_segmentation.input.report import Report

# Words that may mean no customer. They are proposed: some shop has a customer 0 or a user `na`.
_GUESSES = (
    "anon(ym(ous)?)?|blank|cash|customer|default|empty|gast|guests?|invite|kunde|missing|na|nil|"
    "no_?(body|user)|unbekannt|unknown|walk-?in|[-_.?*/]+|0+|-1"
)
# A customer with more of the orders is unusual in a shop of some size, unless the mean is near.
_UNUSUAL_SHARE, _FEWEST_ORDERS, _TIMES_THE_MEAN = 0.01, 1_000, 20

_KEY = (
    "lower(regexp_replace(trim(cast(customer_ref as varchar), e' \\t\\r\\n'), "
    "'^(-?[0-9]+)[.]0$', '\\1'))"
)


def check_references(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, RawTable],
    report: Report,
    empty_references: Sequence[str],
) -> None:
    """Adds to the report what the references of all tables say together.

    Args:
        connection: A connection in which the tables can be read.
        tables: Raw tables by the name of their contract table.
        report: What is added to. It names words for no customer and no other reference.
        empty_references: The var: words that mean no reference.
    """
    listed = list(dict.fromkeys(word.strip().lower() for word in empty_references))
    guessed: dict[str, None] = {}
    for name, table in tables.items():
        if "customer_ref" not in table.columns:
            continue
        for word, share_of_rows in _words_for_none(connection, table, listed):
            share = f"{table.label} has the customer_ref '{word}' in {share_of_rows} of its rows"
            if word in listed:
                report.notes.append(f"{share}; it means no customer (var empty_references).")
            else:
                guessed[word] = None
                report.notes.append(
                    f"{share}. If it means no customer, list it in var empty_references."
                )
        if name == "orders":
            _check_holders(connection, table, [*listed, *guessed], report)
    if guessed:
        value = yaml.safe_dump(
            [*empty_references, *guessed],
            default_flow_style=True,
            allow_unicode=True,
            width=10**6,
        )
        report.variables["empty_references"] = (
            f"{value.strip()}  # guessed by the word: {', '.join(guessed)}"
        )


def _words_for_none(
    connection: duckdb.DuckDBPyConnection, table: RawTable, listed: Sequence[str]
) -> list[tuple[str, str]]:
    """The references that mean or may mean no customer, with their share, most frequent first."""
    counted = connection.execute(
        f"""
        with counted as (
            select {_KEY} as reference, count(*) as held, sum(count(*)) over () as all_rows
            from {table.sql}
            group by reference
        )

        select reference, held / all_rows
        from counted
        where list_contains($1, reference) or regexp_full_match(reference, $2)
        order by held desc, reference
        """,
        [listed, _GUESSES],
    ).fetchall()
    return [(word, f"{share:.1%}" if share >= 0.0005 else "<0.1%") for word, share in counted]


def _check_holders(
    connection: duckdb.DuckDBPyConnection,
    orders: RawTable,
    words: Sequence[str],
    report: Report,
) -> None:
    """Counts references that hold far more orders than others, and are no words for nothing."""
    ((holders, share),) = connection.execute(
        f"""
        with counted as (
            select {_KEY} as reference, count(*) as held
            from {orders.sql}
            where not list_contains($1, {_KEY})
            group by reference
        ),

        shares as (
            select held, held / sum(held) over () as share, held / avg(held) over () as times
            from counted
            qualify sum(held) over () >= {_FEWEST_ORDERS}
        )

        select count(*), sum(share)
        from shares
        where share > {_UNUSUAL_SHARE} and times >= {_TIMES_THE_MEAN}
        """,
        [words],
    ).fetchall()
    if holders:
        report.notes.append(
            f"{orders.label} has {holders} customer_ref with over {_UNUSUAL_SHARE:.0%} of the "
            f"orders each, together {share:.1%}, and at least {_TIMES_THE_MEAN} times the mean. "
            f"If they stand for guests or a collective account, list them in var empty_references."
        )
