"""Finds the raw files of each contract table.

A table is one file, or a folder of parts; folders such as ``day=2026-01-31`` inside it are columns.
Parquet files are read for their schema, text files (CSV, JSON lines) for their columns. The dbt
project turns the result into one view per contract table.

Messages repeat nothing of a file but names of contract columns and near misses: the first line of a
file without a header holds personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from customer_segmentation.input.contract import ContractTable, missing_columns
from customer_segmentation.input.text_files import RawFileError, columns_of_text, load_text
from customer_segmentation.sql import file_literal, identifier, literal

FORMATS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
}
_OTHER_DATA = (
    *(".xlsx", ".xls", ".ods", ".tsv", ".txt", ".json", ".xml", ".db", ".sqlite"),
    *(".avro", ".orc", ".feather", ".arrow", ".gz", ".zip", ".zst", ".bz2"),
)
_EXPECTED = "TABLE.parquet, TABLE.csv or TABLE.jsonl, the last two also with .gz, or a folder TABLE"


@dataclass(frozen=True)
class RawFile:
    """The files of a contract table.

    Attributes:
        table: Name of the contract table.
        path: The file, or the folder of parts, as given (relative paths stay relative).
        format: "parquet", "csv" or "json"; that of all parts.
        columns: The columns of all parts, in the order they are met; those of the contract in its
            spelling, since capitals don't count.
        parts: Each file with the columns that the names of its folders give.
        one_line: Columns whose values can't hold a line break: keys, dates, numbers.
    """

    table: str
    path: str
    format: str
    columns: tuple[str, ...] = field(default=())
    parts: tuple[tuple[str, Mapping[str, str]], ...] = field(default=())
    one_line: tuple[str, ...] = field(default=())


def find_raw_files(
    raw_dir: str | Path, contract: Sequence[ContractTable], roots: Sequence[str] = ()
) -> list[RawFile]:
    """Finds the files of each contract table and checks their columns.

    Args:
        raw_dir: Folder that holds the files, each named after its table.
        contract: The tables that may be there.
        roots: Other folders that links in raw_dir may lead to.

    Returns:
        One entry per table that has a file, in contract order.

    Raises:
        RawFileError: The folder or a required file is missing, a file can't be read, a required
            column is missing, a header names a column twice, or something in the folder looks like
            a contract table and would not be read.
    """
    folder = Path(raw_dir)
    if not str(raw_dir).strip() or not folder.is_dir():
        raise RawFileError(
            f"raw_dir '{raw_dir}' is not a folder. Expected a folder with Parquet, CSV or JSON "
            f"lines files, at least orders.parquet or orders.csv. Set the var raw_dir to it."
        )
    if unread := unread_tables(folder, contract):
        raise RawFileError(unread[0])
    found = [file for table in contract if (file := find_raw_file(folder, table, roots))]
    expected = {table.name: table for table in contract}
    for file in found:
        if said := missing_columns(file.path, file.columns, expected[file.table]):
            raise RawFileError(said)
    return found


def find_raw_file(folder: Path, table: ContractTable, roots: Sequence[str] = ()) -> RawFile | None:
    """The files of a contract table, whatever columns they have; None for an optional one without.

    Raises:
        RawFileError: A required table is missing, there are two of it, a file can't be read, or a
            header names a column twice.
    """
    found = [path for path in _entries(folder) if _table_of(path) == table.name]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise RawFileError(
            f"{folder.as_posix()} holds {names}. Expected one file or folder per table: remove one "
            f"of them, or put both as parts into a folder {table.name}."
        )
    if not found:
        if table.is_required:
            present = ", ".join(path.name for path in _entries(folder)) or "nothing"
            raise RawFileError(
                f"{folder.as_posix()} has no file for the required table '{table.name}'. Expected "
                f"{_EXPECTED.replace('TABLE', table.name)}; found {present}."
            )
        return None
    path = found[0]
    _check_place(path, folder, roots)
    parts = _parts_of(path, folder, roots)
    formats = {_format_of(part) for part in parts}
    if len(formats) > 1:
        raise RawFileError(
            f"{path.as_posix()} holds parts of the formats {', '.join(sorted(formats))}. Expected "
            f"one format per table."
        )
    columns: dict[str, None] = {}
    listed = []
    for part in parts:
        by_folder = _columns_by_folder(part.relative_to(folder))
        columns |= dict.fromkeys(_checked_columns(part, table, by_folder))
        listed.append((part.as_posix(), by_folder))
    return RawFile(
        table=table.name,
        path=path.as_posix(),
        format=formats.pop(),
        columns=tuple(columns),
        parts=tuple(listed),
        one_line=tuple(
            name
            for name in table.columns
            if name in {*table.required_columns, *table.types} or name.endswith(("_id", "_ref"))
        ),
    )


def table_names(folder: Path) -> set[str]:
    """The names of the tables a folder holds, of the contract or not; folders hold no others."""
    files = (path for path in _entries(folder) if path.is_file())
    return {name for path in files if (name := _table_of(path)) is not None}


def unread_tables(folder: Path, contract: Sequence[ContractTable]) -> list[str]:
    """What looks like a contract table and isn't read, each with what to do.

    A file in another format, a file named almost like a table (consent.csv, orders_2025.csv), and
    something that is neither a file nor a folder.
    """
    names = [table.name for table in contract]
    messages = []
    for path in _entries(folder):
        meant = _meant_table(path, names)
        if meant is None:
            continue
        place = path.as_posix()
        if path.is_symlink() and not path.exists():
            messages.append(f"{place} is a link to nothing. Expected a file: mend or remove it.")
        elif not path.is_file() and not path.is_dir():
            messages.append(f"{place} is neither a file nor a folder. Expected a file.")
        elif _table_of(path) != meant:
            messages.append(
                f"{place} is not read, and it looks like the table {meant}. Expected "
                f"{_EXPECTED.replace('TABLE', meant)}: write or rename it so, put it as a part "
                f"into a folder {meant}, or move it out of {folder.as_posix()}."
            )
    return messages


def other_files(folder: Path, contract: Sequence[ContractTable]) -> list[Path]:
    """Files that a build ignores: nothing about them is like a table of the contract."""
    names = [table.name for table in contract]
    return [
        path
        for path in _entries(folder)
        if path.is_file() and _table_of(path) not in names and _meant_table(path, names) is None
    ]


def relation_of(file: RawFile) -> str:
    """The from clause that reads Parquet files, columns by name."""
    parts = (
        f"select *{_added(by_folder)} "
        f"from read_parquet({file_literal(part)}, hive_partitioning = false)"
        for part, by_folder in file.parts
    )
    return f"({' union all by name '.join(parts)})"


def load_raw_file(
    connection: duckdb.DuckDBPyConnection,
    file: RawFile,
    table: str,
    rejected_lines: str,
    kept: Callable[[str], str | None] = lambda relation: None,
) -> None:
    """Loads the text files of a table as text, and records the lines that can't be read.

    Args:
        connection: A connection to the working database, used for nothing else meanwhile.
        file: The files, with their columns.
        table: Quoted name of the table to make.
        rejected_lines: Quoted name of a table (source_table, line, error) to insert into.
        kept: A query of the rows of a relation to load; None for all of them.

    Raises:
        RawFileError: A file as a whole can't be read, or lines of it would be lost.
    """
    columns = ", ".join(f"{identifier(name)} varchar" for name in file.columns)
    connection.execute(f"create or replace table {table} ({columns})")
    for part, by_folder in file.parts:
        load_text(connection, Path(part), file.format, file.one_line)
        # With all columns of the table, also those that this part lacks.
        rows = (
            f"(select * from {table} where false union all by name "
            f"select *{_added(by_folder)} from part_rows)"
        )
        connection.execute(
            f"""
            insert into {table} by name select * from {kept(rows) or rows};
            insert into {rejected_lines} select {literal(file.table)}, line, error from part_errors;
            drop table part_rows;
            drop table part_errors
            """
        )


def _added(by_folder: Mapping[str, str]) -> str:
    return "".join(f", {literal(value)} as {identifier(n)}" for n, value in by_folder.items())


def _entries(folder: Path) -> list[Path]:
    """The contents of a folder without hidden files and marks such as _SUCCESS."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _ending(name: str) -> str:
    """The ending of a file name that says its format, or "" if none does."""
    fitting = [ending for ending in FORMATS if name.casefold().endswith(ending)]
    return max(fitting, key=len, default="")


def _table_of(path: Path) -> str | None:
    """The table a file or folder would be read as."""
    name = path.name.casefold()
    if path.is_dir():
        return name
    ending = _ending(name)
    return name.removesuffix(ending) if ending else None


def _meant_table(path: Path, tables: Sequence[str]) -> str | None:
    """The contract table whose name that of a file or folder begins with, give or take its form."""
    name = path.name.casefold()
    ending = _ending(name) or next((e for e in _OTHER_DATA if name.endswith(e)), "")
    if path.is_file() and not ending:
        return None
    words = re.sub(r"[^a-z0-9]+", "_", name.removesuffix(ending)).strip("_")
    for table in sorted(tables, key=len, reverse=True):
        one = table.removesuffix("s")
        forms = rf"{one}|{table}(_.*)?|{table.replace('_', '')}|({one}|{table})_?\d.*"
        if re.fullmatch(forms, words):
            return table
    return None


def _check_place(path: Path, folder: Path, roots: Sequence[str]) -> None:
    real = path.resolve()
    allowed = [folder.resolve(), *(Path(root).resolve() for root in roots)]
    if not any(real.is_relative_to(root) for root in allowed):
        raise RawFileError(
            f"{path.as_posix()} is a link out of {folder.as_posix()}. Expected a file inside, or "
            f"the folder it leads to in the var raw_roots."
        )


def _parts_of(path: Path, folder: Path, roots: Sequence[str]) -> list[Path]:
    if not path.is_dir():
        return [path]
    parts = []
    for entry in _entries(path):
        _check_place(entry, folder, roots)
        if entry.is_dir():
            parts += _parts_of(entry, folder, roots)
        elif entry.is_file() and _ending(entry.name):
            parts.append(entry)
        else:
            raise RawFileError(
                f"{entry.as_posix()} is not read. Expected parts with one of the endings "
                f"{', '.join(FORMATS)}: remove it, or write it so."
            )
    if not parts:
        raise RawFileError(f"{path.as_posix()} holds no file. Expected at least one part.")
    return parts


def _columns_by_folder(path: Path) -> dict[str, str]:
    pairs = (part.partition("=") for part in path.parts[:-1])
    return {name: value for name, sign, value in pairs if sign}


def _format_of(path: Path) -> str:
    return FORMATS[_ending(path.name)]


def _checked_columns(
    path: Path, table: ContractTable, by_folder: Mapping[str, str]
) -> tuple[str, ...]:
    columns = [*read_columns(path), *by_folder]
    bare = [name.casefold() for name in columns]
    if len(set(bare)) < len(bare):
        repeated = [name for name in table.columns if bare.count(name) > 1]
        raise RawFileError(
            f"{path.as_posix()} names the column {', '.join(repeated) or 'of some name'} more than "
            f"once (case is ignored). Expected each column once: rename or remove the others."
        )
    return tuple(
        lower if lower in table.columns else name for lower, name in zip(bare, columns, strict=True)
    )


def read_columns(path: Path) -> tuple[str, ...]:
    """The columns of a raw file, in order; raises RawFileError where it can't be read."""
    if path.stat().st_size == 0:
        raise RawFileError(
            f"{path.as_posix()} is empty. Expected at least a header line; a table without rows "
            f"is a file with nothing else."
        )
    if _format_of(path) != "parquet":
        return columns_of_text(path, _format_of(path))
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise RawFileError(
            f"{path.as_posix()} can't be read as a Parquet file: {type(error).__name__}. Expected "
            f"the format of its ending; write the file again."
        ) from error
