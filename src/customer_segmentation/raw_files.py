"""Looks at the raw files of a data set and says what each contract table can be read from.

Parquet files are asked for their schema, CSV files for their header. The input door of the dbt
project turns the answer into one view per contract table. CSV files are loaded first, because only
a load can tell the lines that can't be read from the others.

No message repeats what a file holds, but for the names of contract columns and what looks like
them: the first line of a file without a header is a person.
"""

from __future__ import annotations

import csv
import difflib
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

FORMATS = (".parquet", ".csv", ".csv.gz")
_LONGEST_LINE = 16 * 1024 * 1024  # bytes


class RawFileError(ValueError):
    """A raw file can't be used. The message names the file, what was found and what is expected."""


@dataclass(frozen=True)
class ContractTable:
    """A table of the input contract.

    Attributes:
        name: Name of the table, which is also the name of its file.
        columns: All its columns, in order.
        required_columns: Those that must be in the file.
        is_required: Whether the build stops without the file.
    """

    name: str
    columns: tuple[str, ...]
    required_columns: tuple[str, ...] = ()
    is_required: bool = False

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ContractTable:
        return cls(
            name=mapping["name"],
            columns=tuple(mapping["columns"]),
            required_columns=tuple(mapping.get("required_columns", ())),
            is_required=bool(mapping.get("is_required", False)),
        )


@dataclass(frozen=True)
class RawFile:
    """The file of a contract table.

    Attributes:
        table: Name of the contract table.
        path: Where the file is, as given (relative paths stay relative).
        format: "parquet" or "csv".
        columns: The columns of the file, in the order of the file.
    """

    table: str
    path: str
    format: str
    columns: tuple[str, ...] = field(default=())


def find_raw_files(raw_dir: str | Path, contract: Sequence[ContractTable]) -> list[RawFile]:
    """Finds the file of each contract table and checks its header.

    Args:
        raw_dir: Folder that holds the files, each named after its table.
        contract: The tables that may be there.

    Returns:
        One entry per table that has a file, in contract order.

    Raises:
        RawFileError: The folder or a required file is missing, a file can't be read, a required
            column is missing, or a header names a column twice.
    """
    folder = Path(raw_dir)
    if not folder.is_dir():
        raise RawFileError(
            f"raw_dir '{raw_dir}' is not a folder. Expected a folder with Parquet or CSV files, "
            f"at least orders.parquet or orders.csv. Set the var raw_dir to it."
        )
    return [
        RawFile(table.name, path.as_posix(), _format_of(path), _checked_columns(path, table))
        for table in contract
        if (path := _path_of(folder, table)) is not None
    ]


def _path_of(folder: Path, table: ContractTable) -> Path | None:
    found = [path for ending in FORMATS if (path := folder / f"{table.name}{ending}").is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise RawFileError(
            f"{folder.as_posix()} holds {names}. Expected one file per table: remove one of them."
        )
    if found:
        return found[0]
    if table.is_required:
        present = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise RawFileError(
            f"{folder.as_posix()} has no file for the required table '{table.name}'. Expected "
            f"{' or '.join(table.name + ending for ending in FORMATS)}; found {present}."
        )
    return None


def _format_of(path: Path) -> str:
    return "parquet" if path.suffix == ".parquet" else "csv"


def _checked_columns(path: Path, table: ContractTable) -> tuple[str, ...]:
    columns = _columns_of(path)
    bare = [name.casefold() for name in columns]
    repeated = [name for name in table.columns if bare.count(name) > 1]
    if repeated or len(set(bare)) < len(bare):
        raise RawFileError(
            f"{path.as_posix()} names the column {_listed(repeated) or 'of some name'} more than "
            f"once (capitals don't tell columns apart). Expected each column once: rename or "
            f"remove the others."
        )
    missing = [name for name in table.required_columns if name not in columns]
    if missing:
        near = {
            name: match[0]
            for name in missing
            if (match := _near_misses(name, [c for c in columns if c not in table.columns]))
        }
        hint = "".join(f" '{found}' looks like {name}." for name, found in near.items())
        known = [name for name in table.columns if name in columns]
        unknown = len(columns) - len(known)
        raise RawFileError(
            f"{path.as_posix()} lacks the required column {_listed(missing)}.{hint} Found "
            f"{_listed(known) or 'none of the expected columns'}"
            f"{f' and {unknown} other names' if unknown else ''}"
            f"{'' if known or near else '; is the header missing?'}. Expected "
            f"{_listed(table.columns)}, of which {_listed(table.required_columns)} must be there."
        )
    return columns


def load_csv(
    connection: duckdb.DuckDBPyConnection, file: RawFile, table: str, rejected_lines: str
) -> None:
    """Loads a CSV file as text, column by column name, and notes the lines that can't be read.

    Args:
        connection: A connection to the working database, used for nothing else meanwhile.
        file: The file, with its columns in order.
        table: Quoted name of the table to make.
        rejected_lines: Quoted name of a table (source_table, line, error) to add to.

    Raises:
        RawFileError: The file as a whole can't be read.
    """
    columns = ", ".join(f"{_literal(name)}: 'varchar'" for name in file.columns)
    try:
        connection.execute(
            f"""
            create or replace table {table} as
            select * from read_csv(
                {_literal(file.path)}, header = true, auto_detect = false, delim = ',', quote = '"',
                escape = '"', columns = {{{columns}}}, store_rejects = true, rejects_limit = 0,
                max_line_size = {_LONGEST_LINE}
            )
            """
        )
        # One line can have several errors; the first column's is told.
        connection.execute(
            f"""
            insert into {rejected_lines}
            select {_literal(file.table)}, line, min_by(error_type, column_idx)
            from reject_errors
            group by line
            """
        )
    except duckdb.Error as error:
        raise RawFileError(
            f"{file.path} can't be read as a UTF-8 CSV file with commas and double quotes: "
            f"{type(error).__name__}. Expected one record a line, quoted where it holds a comma or "
            f"a line break; write the file again."
        ) from error


def _near_misses(name: str, candidates: Sequence[str]) -> list[str]:
    bare = {_bare(candidate): candidate for candidate in candidates}
    return [bare[key] for key in difflib.get_close_matches(_bare(name), list(bare), n=1)]


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _columns_of(path: Path) -> tuple[str, ...]:
    if path.stat().st_size == 0:
        raise RawFileError(
            f"{path.as_posix()} is empty. Expected at least a header line; a table without rows "
            f"is a file with only that."
        )
    try:
        if _format_of(path) == "parquet":
            return tuple(pq.read_schema(path).names)
        return _csv_header(path)
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        kind = "a Parquet file" if _format_of(path) == "parquet" else "a UTF-8 CSV file"
        raise RawFileError(
            f"{path.as_posix()} can't be read as {kind}: {type(error).__name__}. Expected what "
            f"its ending says; write the file again."
        ) from error


def _csv_header(path: Path) -> tuple[str, ...]:
    opener = gzip.open if path.suffix == ".gz" else open
    # What isn't UTF-8 is for the load to judge, line by line.
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = next(csv.reader(lines), [])
    return tuple(name.strip() for name in header)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
