"""Searches databases and files for what would give a person away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from customer_segmentation.erasure.person import Person, note_person, plain, raw_conditions
from customer_segmentation.input.tombstones import is_email_reference
from customer_segmentation.output.roles import remove
from customer_segmentation.sql import identifier, literal

# Shorter values are found inside others by chance, so they count as whole cells only.
_LETTERS, _DIGITS = 6, 9
_PIECE = 2**24
# They keep ids for the message that deletes the customer in other systems, or are tombstones.
KEEP_IDS = ("activation_outbox", "int_identity__erasures", "tombstones")


class Traces(NamedTuple):
    """What only one person's rows have.

    Attributes:
        cells: Whole values, in lower case: ids of orders and events, texts.
        parts: Those long enough to be looked for inside other text and in bytes.
        ids: The ids that the customer may have or have had, and keyed hashes of the addresses.
        keys: Numbers that stand for the customer in the working file.
    """

    cells: frozenset[str]
    parts: tuple[str, ...]
    ids: tuple[str, ...]
    keys: tuple[int, ...]


def traces_of(connection: duckdb.DuckDBPyConnection, person: Person) -> Traces:
    """Reads them from the raw rows of the last build, and from the normalised identifiers."""
    note_person(connection, person)
    connection.execute("create or replace temp table person_values (value varchar)")
    tables = [(f"input.{identifier(name)}", where) for name, where in raw_conditions(connection)]
    keys = ", ".join(map(str, person.keys))
    tables.append(("restricted.int_identity__identifiers", f"record_key in ({keys})"))
    tables += [(f"input.{identifier(name)}", "false") for name in _raw_tables_of_no_one(connection)]
    columns = {table: _text_columns(connection, table) for table, _ in tables}
    for table, where in tables:
        for column in columns[table]:
            connection.execute(
                f"insert into person_values select distinct {_cell(column)} from {table} as raw "
                f"where {where}"
            )
    references = [reference for _, reference in person.references]
    connection.executemany(
        "insert into person_values values (lower(?))",
        [[plain(reference)] for reference in references],
    )
    # Towns, words and products that others have as well say nothing about the person.
    for table, where in tables:
        for column in columns[table]:
            connection.execute(
                f"delete from person_values where value in (select {_cell(column)} "
                f"from {table} as raw where not ({where}) and {column} is not null)"
            )
    found = connection.execute(
        "select distinct value from person_values where length(value) > 1 order by value"
    ).fetchall()
    hashed = {text for _, text in person.references if is_email_reference(text)}
    cells = [value for (value,) in found if value not in hashed]
    parts = [one for one in cells if len(one) >= (_DIGITS if one.isdigit() else _LETTERS)]
    return Traces(frozenset(cells), tuple(parts), (*person.ids, *sorted(hashed)), person.keys)


def _raw_tables_of_no_one(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Raw tables without references, such as products."""
    rows = connection.execute(
        "select source_table from input.reference_keys "
        "where json_array_length(keys, 'references') = 0 and source_table <> 'order_lines' "
        "order by all"
    ).fetchall()
    return [name for (name,) in rows]


def _text_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    described = connection.execute(f"describe {table}").fetchall()
    # Dates and amounts are many people's; a birth date is read as text where it is given as such.
    return [identifier(name) for name, kind, *_ in described if kind == "VARCHAR"]


def _cell(column: str) -> str:
    return f"lower(trim({column}))"


def hits_in_tables(file: Path, traces: Traces) -> dict[str, int]:
    """The number of cells with a trace by schema, table and column, of text and of keys."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return _hits(connection, traces)


def _hits(connection: duckdb.DuckDBPyConnection, traces: Traces) -> dict[str, int]:
    ids, cells = list(traces.ids), sorted(traces.cells)
    columns = connection.execute(
        """
        select table_schema, table_name, column_name, data_type
        from information_schema.columns
        inner join information_schema.tables using (table_schema, table_name)
        where
            table_type in ('BASE TABLE', 'LOCAL TEMPORARY')
            and regexp_matches(data_type, 'VARCHAR|JSON|BIGINT')
        order by all
        """
    ).fetchall()
    found = {}
    for schema, table, column, kind in columns:
        name = identifier(column)
        parameters: list[Any] = [list(traces.keys)]
        if kind.endswith("BIGINT"):
            condition = f"{name} in $1"
        elif kind.endswith("BIGINT[]"):
            condition = f"list_has_any({name}, $1)"
        else:
            text = f"lower(trim(cast({name} as varchar)))"
            exact = cells if table in KEEP_IDS else cells + ids
            inside = traces.parts if table in KEEP_IDS else (*traces.parts, *ids)
            condition = f"{text} in $1 or regexp_matches({text}, $2)"
            parameters = [exact, _pattern(inside)]
        ((count,),) = connection.execute(
            f"select count(*) from {identifier(schema, table)} where {condition}", parameters
        ).fetchall()
        if count:
            found[f"{schema}.{table}.{column}"] = count
    return found


def _pattern(texts: Iterable[str]) -> str:
    # Of nothing: a pattern that matches nothing.
    return "|".join(re.escape(text) for text in texts) or r"[^\s\S]"


def hits_in_bytes(file: Path, traces: Traces, *, with_ids: bool = False) -> int:
    """How many of the traces are in the bytes of a file, whatever their case.

    It is read in pieces, since a working file may be larger than the memory.
    """
    wanted = {*traces.parts, *(traces.ids if with_ids else ())}
    # A letter has up to four bytes, and a piece may end within a trace.
    overlap = 4 * max(map(len, wanted), default=0)
    found: set[str] = set()
    with file.open("rb") as content:
        before = b""
        while piece := content.read(_PIECE):
            text = (before + piece).decode("utf-8", "replace").lower()
            found |= {one for one in wanted - found if one in text}
            before = (before + piece)[-overlap:] if overlap else b""
    return len(found)


@contextmanager
def uncompressed(file: Path, copy: Path) -> Iterator[Path]:
    """A copy of a database in whose bytes text can be found; it is removed."""
    remove(copy)
    try:
        with duckdb.connect(":memory:", config={"force_compression": "uncompressed"}) as connection:
            connection.execute(f"attach {literal(file.as_posix())} as whole (read_only)")
            connection.execute(f"attach {literal(copy.as_posix())} as copied")
            copy.chmod(0o600)
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where database_name = 'whole' "
                "order by all"
            ).fetchall()
            for schema, table in tables:
                connection.execute(f"create schema if not exists copied.{identifier(schema)}")
                name = identifier(schema, table)
                connection.execute(f"create table copied.{name} as from whole.{name}")
            connection.execute("checkpoint copied")
        yield copy
    finally:
        remove(copy)


def hits_in_file(file: Path, traces: Traces) -> int:
    """The hits in any file: cells of a table, or traces in the bytes."""
    if file.suffix != ".parquet":
        return hits_in_bytes(file, traces, with_ids=True)
    with duckdb.connect() as connection:
        connection.execute(f"create table held as from read_parquet({literal(file.as_posix())})")
        return sum(_hits(connection, traces).values())
