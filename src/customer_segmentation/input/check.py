"""Checks raw data before a build: what to change and which vars to set.

Formats are checked on a sample of each table; rows, dates and hours on all of it. The report has
names of columns, kinds of values and numbers of rows. It shows a value only if it is a common word
for a status or event, or a status, event type, system or currency that ten rows share.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from customer_segmentation.input.contract import ContractTable
from customer_segmentation.input.raw_files import (
    FORMATS,
    find_raw_file,
    other_files,
    table_names,
    unread_tables,
)
from customer_segmentation.input.raw_tables import RawTable
from customer_segmentation.input.references import check_references
from customer_segmentation.input.report import Report
from customer_segmentation.input.table_check import check_table
from customer_segmentation.input.text_files import RawFileError
from customer_segmentation.near_names import near_misses
from customer_segmentation.sql import identifier

_SHOWN = 5  # names of files that aren't read


def check_folder(
    raw_dir: str,
    contract: Sequence[ContractTable],
    event_roles: Mapping[str, Sequence[str]],
    roots: Sequence[str] = (),
    empty_references: Sequence[str] = (),
) -> Report:
    """Checks a folder of raw files, which nothing writes to.

    Args:
        raw_dir: The folder, as the var raw_dir would name it.
        contract: The tables that may be there.
        event_roles: The var: event types by role.
        roots: Other folders that links in it may lead to, as the var raw_roots names them.
        empty_references: The var: words that mean no reference.

    Returns:
        What was found. Unreadable files are among the changes.
    """
    folder = Path(raw_dir)
    report = Report(
        raw_dir, variables={"raw_dir": raw_dir, "dataset": _as_dataset(folder.resolve().name)}
    )
    if not folder.is_dir():
        report.changes.append(
            f"{raw_dir} is not a folder. Name one with Parquet, CSV or JSON lines files, at least "
            f"orders.parquet or orders.csv."
        )
        return report
    found: dict[str, RawTable] = {}
    for table in contract:
        try:
            file = find_raw_file(folder, dataclasses.replace(table, is_required=False), roots)
        except RawFileError as error:
            report.changes.append(str(error))
            continue
        if file is None:
            report.absent.append(table.name)
        else:
            found[table.name] = RawTable.of_file(file)
    report.changes += unread_tables(folder, contract)
    others = _other_tables(folder, contract, report)
    # One thread: more would draw another sample each time.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        _check_tables(connection, found, others, contract, report, event_roles, empty_references)
    said = "\n".join([*report.changes, *report.notes])
    ignored = [path.name for path in other_files(folder, contract) if path.as_posix() not in said]
    if ignored:
        number = f"{len(ignored)} file{'' if len(ignored) == 1 else 's'}"
        more = f" and {len(ignored) - _SHOWN} more" if len(ignored) > _SHOWN else ""
        report.notes.append(
            f"{number} not read, by name not a table of the contract: "
            f"{', '.join(ignored[:_SHOWN])}{more}."
        )
    return report


def check_warehouse(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    identifiers: Mapping[str, str],
    contract: Sequence[ContractTable],
    event_roles: Mapping[str, Sequence[str]],
    empty_references: Sequence[str] = (),
) -> Report:
    """Checks the tables of a schema, which nothing writes to.

    Args:
        connection: A connection that can read them, used for nothing else meanwhile.
        database: Name of the database, as attached.
        schema: Name of the schema.
        identifiers: Names of tables that differ from the contract's, by contract table.
        contract: The tables that may be there.
        event_roles: The var: event types by role.
        empty_references: The var: words that mean no reference.
    """
    place = f"{database}.{schema}"
    report = Report(place, variables={"raw_database": database, "raw_schema": schema})
    if identifiers:
        pairs = ", ".join(f"{table}: {name}" for table, name in identifiers.items())
        report.variables["raw_identifiers"] = f"{{{pairs}}}"
    report.variables["dataset"] = _as_dataset(database)
    columns = connection.execute(
        """
        select table_name, list(column_name order by ordinal_position)
        from information_schema.columns
        where table_catalog = ? and table_schema = ?
        group by table_name
        order by table_name
        """,
        [database, schema],
    ).fetchall()
    others = {
        name: RawTable(f"{place}.{name}", identifier(database, schema, name), tuple(names), name)
        for name, names in columns
    }
    if not others:
        report.changes.append(
            f"{place} has no tables. Check the vars raw_database and raw_schema, and that the "
            f"profile attaches the database."
        )
        return report
    named = {table.name: identifiers.get(table.name, table.name) for table in contract}
    found = {name: others.pop(named[name]) for name in named if named[name] in others}
    report.absent = [name for name in named if name not in found]
    _check_tables(
        connection, found, list(others.values()), contract, report, event_roles, empty_references
    )
    return report


def _as_dataset(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def _other_tables(
    folder: Path, contract: Sequence[ContractTable], report: Report
) -> list[RawTable]:
    """Files and folders that aren't named after a contract table, as far as they can be read."""
    names = {table.name for table in contract}
    tables = []
    for name in sorted(table_names(folder) - names):
        try:
            file = find_raw_file(folder, ContractTable(name, ()))
        except RawFileError as error:
            report.notes.append(str(error))
            continue
        if file is not None:
            tables.append(RawTable.of_file(file))
    return tables


def _check_tables(
    connection: duckdb.DuckDBPyConnection,
    found: Mapping[str, RawTable],
    others: Sequence[RawTable],
    contract: Sequence[ContractTable],
    report: Report,
    event_roles: Mapping[str, Sequence[str]],
    empty_references: Sequence[str],
) -> None:
    report.found = len(found)
    report.variables["timezone"] = '"?"  # where your customers\' days begin, e.g. Europe/Berlin'
    read = {
        table.name: found[table.name]
        for table in contract
        if table.name in found
        and check_table(connection, table, found[table.name], report, event_roles)
    }
    check_references(connection, read, report, empty_references)
    _match_other_tables(connection, others, contract, report, event_roles)


def _match_other_tables(
    connection: duckdb.DuckDBPyConnection,
    others: Sequence[RawTable],
    contract: Sequence[ContractTable],
    report: Report,
    event_roles: Mapping[str, Sequence[str]],
) -> None:
    """Reports which tables may be contract tables under another name."""
    absent = {table.name: table for table in contract if table.name in report.absent}
    by_name = {other.name: other for other in others}
    near = near_misses(absent, list(by_name), {name: t.names for name, t in absent.items()})
    for table in absent.values():
        likely = by_name.get(near.get(table.name, ""))
        if likely is not None:
            report.add(
                f"{likely.label} looks like {table.name}: {_rename(likely.label, table.name)}.",
                is_change=table.is_required,
            )
        elif table.is_required:
            message = f"There is no table {table.name}, and the build needs it"
            # Whatever its name, the one with the most columns like the contract's may be it.
            likely = max(others, key=lambda other: _shared_columns(other, table), default=None)
            if likely is not None and _shared_columns(likely, table):
                rename = _rename(likely.label, table.name)
                report.changes.append(f"{message}. {likely.label} may be it: {rename}.")
            else:
                likely = None
                required = ", ".join(table.required_columns)
                report.changes.append(f"{message}. Expected the columns {required}.")
        if table.is_required and likely is not None:
            check_table(connection, table, likely, report, event_roles)


def _shared_columns(other: RawTable, table: ContractTable) -> int:
    return len(near_misses(table.required_columns, other.columns, table.also_called))


def _rename(label: str, name: str) -> str:
    for ending in FORMATS:
        if label.casefold().endswith(ending):
            return f"name it {name}{ending}"
    return f"set the var raw_identifiers: {{{name}: {label.split('.')[-1]}}}"
