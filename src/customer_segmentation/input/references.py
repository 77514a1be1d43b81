"""Checks references to customers in raw tables: words that mean none, and what matches none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import yaml

from customer_segmentation.input.raw_tables import RawTable
from customer_segmentation.input.report import Report

# Words that may mean no customer. They are proposed: some shop has a customer 0 or a user `na`.
_GUESSES = (
    "anon(ym(ous)?)?|blank|cash|customer|default|empty|gast|guests?|invite|kunde|missing|na|nil|"
    "no_?(body|user)|test|unbekannt|unknown|walk-?in|xx+|[-_.?*/]+|0+|-1"
)
# A number of nines alone is often a collective account, but in a large shop it may be a customer's.
_NINES, _SHARE_OF_NINES = "9{4,}", 0.01
# A customer with more of the orders is unusual in a shop of some size, unless the mean is near.
_UNUSUAL_SHARE, _FEWEST_ORDERS, _TIMES_THE_MEAN = 0.01, 1_000, 20

# References of a form that few have, in a shop with references enough to have a usual one.
_UNUSUAL_FORM, _FEWEST_REFERENCES = 0.05, 100

# The tables that make customers.
_KNOWN_BY = ("orders", "customers", "identity_links", "events")
_KINDS = {
    "system": "in another source_system",
    "case": "if case did not count",
    "blanks": "without blanks",
    "zeros": "without leading zeros",
    "zz": "but for several of these",
}
_EMAIL = "regexp_replace(lower(spelling), '[+][^@]*@', '@')"
# Of consents: what can't be read counts as withdrawn.
_WITHDRAWN = "coalesce(not try_cast(cast(granted as varchar) as boolean), true)"


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
        connection.execute(
            f"""
            create or replace temp table counted_references as
            select lower({_key("customer_ref")}) as reference, count(*) as held
            from {table.sql}
            group by reference
            """
        )
        for word, share_of_rows in _words_for_none(connection, listed):
            share = f"{table.label} has the customer_ref '{word}' in {share_of_rows} of its rows"
            if word in listed:
                report.notes.append(f"{share}; it means no customer (var empty_references).")
            else:
                guessed[word] = None
                report.notes.append(
                    f"{share}. If it means no customer, list it in var empty_references."
                )
        if name == "orders":
            words = [*listed, *guessed]
            _check_holders(connection, table.label, words, report)
            _check_forms(connection, table.label, words, report)
    _check_matches(connection, tables, report, listed)
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
    connection: duckdb.DuckDBPyConnection, listed: Sequence[str]
) -> list[tuple[str, str]]:
    """The references that mean or may mean no customer, with their share, most frequent first."""
    counted = connection.execute(
        f"""
        select reference, held / in_all
        from (select *, sum(held) over () as in_all from counted_references)
        where
            list_contains($1, reference)
            or regexp_full_match(reference, $2)
            or (regexp_full_match(reference, '{_NINES}') and held > {_SHARE_OF_NINES} * in_all)
        order by held desc, reference
        """,
        [listed, _GUESSES],
    ).fetchall()
    return [(word, f"{share:.1%}" if share >= 0.0005 else "<0.1%") for word, share in counted]


def _check_holders(
    connection: duckdb.DuckDBPyConnection, label: str, words: Sequence[str], report: Report
) -> None:
    """Counts references that hold far more orders than others, and are no words for nothing."""
    ((holders, share),) = connection.execute(
        f"""
        with shares as (
            select held, held / sum(held) over () as share, held / avg(held) over () as times
            from counted_references
            where not list_contains($1, reference)
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
            f"{label} has {holders} customer_ref with over {_UNUSUAL_SHARE:.0%} of the "
            f"orders each, together {share:.1%}, and at least {_TIMES_THE_MEAN} times the mean. "
            f"If they stand for guests or a collective account, list them in var empty_references."
        )


def _check_forms(
    connection: duckdb.DuckDBPyConnection, label: str, words: Sequence[str], report: Report
) -> None:
    """Counts references of another form than nearly all, such as letters among numbers."""
    ((other, rows),) = connection.execute(
        f"""
        with forms as (
            select
                case
                    when contains(reference, '@') then 'e-mail'
                    else regexp_replace(
                        regexp_replace(reference, '[0-9]+', '0', 'g'), '[a-z]+', 'a', 'g'
                    )
                end as form,
                count(*) as known,
                sum(held) as held
            from counted_references
            where reference <> '' and not list_contains($1, reference)
            group by form
        )

        select
            sum(known) filter (where known <= {_UNUSUAL_FORM} * in_all),
            sum(held) filter (where known <= {_UNUSUAL_FORM} * in_all)
        from (select *, sum(known) over () as in_all, max(known) over () as in_main from forms)
        where in_main >= (1 - {_UNUSUAL_FORM}) * in_all and in_all >= {_FEWEST_REFERENCES}
        """,
        [words],
    ).fetchall()
    if other:
        report.notes.append(
            f"{label} has {other} customer_ref in {rows} rows of another form than the "
            f"others, such as letters among numbers. Look whether they are customers: a cash desk, "
            f"a test or a mistyped id isn't."
        )


def _check_matches(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, RawTable],
    report: Report,
    listed: Sequence[str],
) -> None:
    """Counts references that no other table of their source system has, by table."""
    if not tables.keys() - {"orders"}:
        return
    rows = " union all ".join(
        f"""
        select
            '{name}' as name,
            {_key("source_system") if "source_system" in table.columns else "''"} as system,
            {_key(column)} as spelling,
            {_WITHDRAWN if "granted" in table.columns else "false"} as withdrawn,
            {str(column == "customer_ref").lower()} as is_counted
        from {table.sql}
        """
        for name, table in tables.items()
        for column in ("customer_ref", "record_id", "email")
        if column in table.columns
    )
    if not rows:
        return
    # An address meets itself in any spelling and in every system: it becomes a hash.
    found = connection.execute(
        f"""
        with counted as (
            select
                * exclude (system),
                if(contains(spelling, '@'), '', system) as system,
                if(contains(spelling, '@'), {_EMAIL}, spelling) as reference,
                count(*) as held
            from ({rows})
            where spelling <> '' and not list_contains($1, lower(spelling))
            group by all
        ),

        known as (
            select distinct name, system, spelling, reference
            from counted
            where list_contains($2, name)
        ),

        unmatched as (
            select * from counted
            where is_counted and name <> 'orders' and not exists (
                select 1 from known
                where known.system = counted.system and known.reference = counted.reference
                    and known.name <> counted.name
            )
        ),

        requests as (
            select * from unmatched
            where withdrawn or name = 'erasure_requests'
        ),

        near_misses as (
            select
                requests.name,
                requests.held,
                min(case
                    when requests.system <> known.system and requests.reference = known.reference
                        then 'a system'
                    when requests.system <> known.system then 'zz'
                    when lower(requests.spelling) = lower(known.spelling) then 'b case'
                    when replace(requests.spelling, ' ', '') = replace(known.spelling, ' ', '')
                        then 'c blanks'
                    when ltrim(requests.spelling, '0') = ltrim(known.spelling, '0') then 'd zeros'
                    else 'zz'
                end) as kind
            from requests
            inner join known on {_folded("requests")} = {_folded("known")}
            group by requests.name, requests.system, requests.spelling, requests.held
        )

        select name, 'rows', sum(held) from unmatched group by name
        union all
        select name, 'requests', sum(held) from requests group by name
        union all
        select name, split_part(kind, ' ', -1), sum(held) from near_misses group by all
        """,
        [listed, _KNOWN_BY],
    ).fetchall()
    held = {(name, kind): int(number) for name, kind, number in found}
    for name, table in tables.items():
        nowhere = f"that no other table has in their source_system ({', '.join(_KNOWN_BY)})"
        if requests := held.get((name, "requests")):
            near = [f"{held[name, k]} {words}" for k, words in _KINDS.items() if (name, k) in held]
            kind = "withdrawals" if name == "consents" else "requests"
            report.notes.append(
                f"{table.label} has {requests:,} {kind} for a customer_ref {nowhere}; they will "
                f"have no effect." + (f" Would match: {', '.join(near)}." if near else "")
            )
        elif unmatched := held.get((name, "rows")):
            report.notes.append(
                f"{table.label} has {unmatched:,} rows with a customer_ref {nowhere}."
            )


def _key(column: str) -> str:
    text = f"trim(cast({column} as varchar), e' \\t\\r\\n')"
    return f"regexp_replace({text}, '^(-?[0-9]+)[.]0$', '\\1')"


def _folded(table: str) -> str:
    return f"lower(ltrim(replace({table}.spelling, ' ', ''), '0'))"
