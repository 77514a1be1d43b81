"""Who a reference means in the last build, and the rows that are held on that person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from customer_segmentation.identity.identifiers import hashed_reference
from customer_segmentation.input.tombstones import ReferenceKeys
from customer_segmentation.output.last_build import open_to_read
from customer_segmentation.sql import identifier

# Columns that say whose a row is, by name.
KEY_COLUMNS = "(customer_id|(customer|record|reference|person|left|right)_key)$"


class PersonError(ValueError):
    """The reference means no one, or several; the message says what to do."""


class Person(NamedTuple):
    """A customer of the last build.

    Attributes:
        customer_id: The id in all marts.
        references: Source system and reference of all records (``record 17``), orders, log-ins,
            visitors (``visitor x``) and e-mail addresses that are this person's alone, in the
            form of staging.
        keys: The numbers that stand for the customer and the records in the working file.
    """

    customer_id: str
    references: tuple[tuple[str, str], ...]
    keys: tuple[int, ...]

    @property
    def records(self) -> int:
        """Number of records of the CRM."""
        return sum(reference.startswith("record ") for _, reference in self.references)

    @property
    def ids(self) -> list[str]:
        """All ids that the customer may have or have had."""
        found = [hashed_id(system, plain(reference)) for system, reference in self.references]
        return sorted({self.customer_id, *found})


def plain(reference: str) -> str:
    """A reference without the word that says what it is of; no reference has a blank."""
    return reference.rpartition(" ")[2]


def hashed_id(*values: str) -> str:
    """As the macro of this name has it."""
    text = "".join(f"{len(value)}:{value}" for value in values)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def open_working_file(file: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in which views of raw data and staging can be read.

    Raises:
        PersonError: The raw data is in a database that only the profile of dbt attaches.
    """
    connection = open_to_read(file)
    try:
        connection.execute("select 1 from input.orders limit 0")
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        connection.close()
        raise PersonError(
            "The raw data is in an attached database, which only a build can read. To erase "
            "someone, insert source_system, customer_ref and requested_at into its table "
            "erasure_requests and run `make build`; search that database yourself for what it "
            "holds on them."
        ) from error
    connection.execute("set TimeZone = 'UTC'")
    connection.create_function(
        "segmentation_hashed_reference", hashed_reference, ["VARCHAR"], "VARCHAR"
    )
    return connection


def reference_keys(connection: duckdb.DuckDBPyConnection) -> list[ReferenceKeys]:
    """What says whose a row of each raw table is; orders before their lines."""
    rows = connection.execute(
        "select keys from input.reference_keys order by source_table = 'order_lines', source_table"
    ).fetchall()
    return [ReferenceKeys.from_json(keys) for (keys,) in rows]


def as_staged(connection: duckdb.DuckDBPyConnection, customer_ref: str) -> str:
    """A reference as a person writes it, in the form of staging.

    Raises:
        PersonError: It is none.
    """
    orders = next(keys for keys in reference_keys(connection) if keys.table == "orders")
    ((found,),) = connection.execute(
        f"select {orders.references[0]} from (select cast(? as varchar) as customer_ref)",
        [customer_ref],
    ).fetchall()
    if found is None:
        raise PersonError(f"CUSTOMER_REF is '{customer_ref}', which means no customer.")
    return str(found)


def find_person(
    connection: duckdb.DuckDBPyConnection, source_system: str, customer_ref: str
) -> Person | None:
    """The customer that a reference means: that of orders, a record's id or an e-mail address.

    Raises:
        PersonError: Several people share the e-mail address.
    """
    reference = as_staged(connection, customer_ref)
    for query, parameters in (
        (
            "select customer_key from identity.int_identity__references "
            "where source_system = ? and customer_ref = ?",
            [source_system, reference],
        ),
        (
            "select customer_key from identity.int_identity__records "
            "where source_system = ? and record_id = ?",
            [source_system, reference],
        ),
        (
            "select distinct records.customer_key from restricted.int_identity__identifiers "
            "inner join identity.int_identity__records as records using (record_key) "
            "where email_key = ?",
            [reference],
        ),
    ):
        found = connection.execute(query, parameters).fetchall()
        if len(found) > 1:
            raise PersonError(
                f"{len(found)} customers have the e-mail address '{customer_ref}'. Give the "
                f"customer_ref or the id of a record of one of them."
            )
        if found:
            return _person(connection, found[0][0])
    return None


def another_person(connection: duckdb.DuckDBPyConnection, person: Person) -> Person | None:
    """A customer who is someone else, with a record of the CRM if there is one."""
    found = connection.execute(
        "select customer_key from identity.int_identity__records where customer_id <> ? "
        "order by not is_in_crm, customer_key limit 1",
        [person.customer_id],
    ).fetchall()
    return _person(connection, found[0][0]) if found else None


def _person(connection: duckdb.DuckDBPyConnection, customer_key: int) -> Person:
    ((customer_id,),) = connection.execute(
        "select distinct customer_id from identity.int_identity__records where customer_key = ?",
        [customer_key],
    ).fetchall()
    references = connection.execute(
        """
        with records as (
            select * from identity.int_identity__records where customer_key = $1
        ),

        named as (
            select source_system, 'record ' || record_id as reference from records
            where is_in_crm
            union
            -- A manual decision may split two records of one reference.
            select records.source_system, records.customer_ref from records
            anti join identity.int_identity__references as others
                on
                    records.source_system = others.source_system
                    and records.customer_ref = others.customer_ref
                    and others.customer_key <> $1
            union
            select source_system, customer_ref from identity.int_identity__references
            where customer_key = $1
        ),

        emails as (
            select min(source_system) as source_system, email_key as reference
            from restricted.int_identity__identifiers
            where regexp_matches(email_key, '^e-[0-9a-f]{32}$')
            group by email_key
            having bool_and(record_key in (select record_key from records))
        ),

        log_ins as (
            select source_system, anonymous_id, customer_ref from restricted.base_events
            where fate = 'loaded'
            union
            select source_system, anonymous_id, customer_ref from restricted.base_identity_links
            where fate = 'loaded'
        ),

        visitors as (
            select source_system, 'visitor ' || anonymous_id as reference
            from log_ins
            where anonymous_id is not null and customer_ref is not null
            group by source_system, anonymous_id
            having bool_and((source_system, customer_ref) in (
                select (named.source_system, named.reference) from named
            ))
        )

        from named union from emails union from visitors order by all
        """,
        [customer_key],
    ).fetchall()
    keys = connection.execute(
        "select record_key from identity.int_identity__records where customer_key = $1 "
        "union select $1 "
        "union select reference_key from restricted.int_identity__identifiers "
        "inner join identity.int_identity__records using (record_key) where customer_key = $1 "
        "order by all",
        [customer_key],
    ).fetchall()
    return Person(customer_id, tuple(references), tuple(key for (key,) in keys))


def note_person(connection: duckdb.DuckDBPyConnection, person: Person) -> None:
    """Makes the temporary table that the conditions of `raw_conditions` read."""
    connection.execute(
        "create or replace temp table person_keys (kind varchar, system varchar, key varchar)"
    )
    connection.executemany(
        "insert into person_keys values ('reference', ?, ?)", list(map(list, person.references))
    )


def raw_conditions(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Each raw table with the condition of its rows that are the noted person's."""
    for keys in reference_keys(connection):
        table = f"input.{identifier(keys.table)}"
        conditions = [
            f"coalesce(({keys.source_system}, {reference}) in (select (person.system, person.key) "
            f"from person_keys as person where person.kind = 'reference'), false) or "
            # An e-mail address is the same in every system.
            f"coalesce({reference} in (select person.key from person_keys as person "
            f"where starts_with(person.key, 'e-') and person.kind = 'reference'), false)"
            for reference in keys.references
        ]
        if keys.order_id is not None and not keys.references:
            conditions.append(
                f"coalesce(({keys.source_system}, {keys.order_id}) in (select (person.system, "
                f"person.key) from person_keys as person where person.kind = 'order'), false)"
            )
        if not conditions:
            continue
        condition = " or ".join(conditions)
        yield keys.table, condition
        if keys.order_id is not None and keys.references:
            connection.execute(
                f"insert into person_keys select distinct 'order', {keys.source_system}, "
                f"{keys.order_id} from {table} as raw where {condition}"
            )


def raw_rows(
    connection: duckdb.DuckDBPyConnection, person: Person
) -> dict[str, list[dict[str, Any]]]:
    """The raw rows of a person by table, as the last build read them."""
    note_person(connection, person)
    return {
        table: rows
        for table, condition in raw_conditions(connection)
        if (
            rows := _rows(
                connection, f"select * from input.{identifier(table)} as raw where {condition}"
            )
        )
    }


def built_rows(
    connection: duckdb.DuckDBPyConnection, person: Person
) -> dict[str, list[dict[str, Any]]]:
    """The rows of a person in all other tables, by schema and name."""
    columns = connection.execute(
        """
        select columns.table_schema, columns.table_name, list(columns.column_name)
        from information_schema.columns
        inner join information_schema.tables using (table_schema, table_name)
        where
            regexp_matches(column_name, ?) and columns.table_schema <> 'input'
            and (table_type = 'BASE TABLE' or columns.table_schema = 'segmentation')
        group by all
        order by all
        """,
        [KEY_COLUMNS],
    ).fetchall()
    values = [*person.ids, *map(str, person.keys)]
    found = {}
    for schema, name, keys in columns:
        table = identifier(schema, name)
        condition = " or ".join(
            f"cast({identifier(key)} as varchar) in (select unnest($1))" for key in sorted(keys)
        )
        rows = _rows(connection, f"select * from {table} where {condition}", [values])
        if rows:
            found[f"{schema}.{name}"] = rows
    return found


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None
) -> list[dict[str, Any]]:
    result = connection.execute(f"select to_json(held) from ({query}) as held", parameters or [])
    return sorted((json.loads(row) for (row,) in result.fetchall()), key=json.dumps)
