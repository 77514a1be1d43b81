"""Finds the raw file of each contract table.

Parquet files are read for their schema, CSV files for their header. The dbt project turns the
result into one view per contract table. CSV files are loaded first, because only a load finds the
unreadable lines.

Messages repeat nothing of a file but names of contract columns and near misses: the first line of a
file without a header holds personal data.
"""

from __future__ import annotations

import codecs
import csv
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from customer_segmentation.input.contract import ContractTable, missing_columns
from customer_segmentation.sql import literal

FORMATS = (".parquet", ".csv", ".csv.gz")
_LONGEST_LINE = 16 * 1024 * 1024  # bytes


class RawFileError(ValueError):
    """A raw file can't be used. The message names the file, what was found and what is expected."""


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
    found = [file for table in contract if (file := find_raw_file(folder, table)) is not None]
    expected = {table.name: table for table in contract}
    for file in found:
        if said := missing_columns(file.path, file.columns, expected[file.table]):
            raise RawFileError(said)
    return found


def find_raw_file(folder: Path, table: ContractTable) -> RawFile | None:
    """The file of one contract table, whatever columns it has; None for an optional one without.

    Raises:
        RawFileError: A required file is missing, there are two, the file can't be read, or its
            header names a column twice.
    """
    path = _path_of(folder, table)
    if path is None:
        return None
    return RawFile(table.name, path.as_posix(), _format_of(path), _checked_columns(path, table))


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
    columns = read_header(path)
    bare = [name.casefold() for name in columns]
    repeated = [name for name in table.columns if bare.count(name) > 1]
    if repeated or len(set(bare)) < len(bare):
        raise RawFileError(
            f"{path.as_posix()} names the column {', '.join(repeated) or 'of some name'} more than "
            f"once (case is ignored). Expected each column once: rename or "
            f"remove the others."
        )
    return columns


def load_csv(
    connection: duckdb.DuckDBPyConnection, file: RawFile, table: str, rejected_lines: str
) -> None:
    """Loads a CSV file as text, column by column name, and records the unreadable lines.

    Args:
        connection: A connection to the working database, used for nothing else meanwhile.
        file: The file, with its columns in order.
        table: Quoted name of the table to make.
        rejected_lines: Quoted name of a table (source_table, line, error) to insert into.

    Raises:
        RawFileError: The file as a whole can't be read.
    """
    try:
        connection.execute(f"create or replace table {table} as select * from {relation_of(file)}")
        # One line can have several errors; that of the first column is kept.
        connection.execute(
            f"""
            insert into {rejected_lines}
            select {literal(file.table)}, line, min_by(error_type, column_idx)
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


def relation_of(file: RawFile) -> str:
    """The from clause that reads a file: CSV cells as text, without its unreadable lines.

    Those are in DuckDB's table ``reject_errors`` of the connection after the file was read.
    """
    if file.format == "parquet":
        return f"read_parquet({literal(file.path)})"
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in file.columns)
    return (
        f"read_csv({literal(file.path)}, header = true, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{columns}}}, store_rejects = true, "
        f"rejects_limit = 0, max_line_size = {_LONGEST_LINE})"
    )


def read_header(path: Path) -> tuple[str, ...]:
    """The columns of a raw file, in order; raises RawFileError where it can't be read."""
    if path.stat().st_size == 0:
        raise RawFileError(
            f"{path.as_posix()} is empty. Expected at least a header line; a table without rows "
            f"is a file with nothing else."
        )
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise RawFileError(f"{path.as_posix()} is in UTF-16. Expected UTF-8: write it again.")
    try:
        if _format_of(path) == "parquet":
            return tuple(pq.read_schema(path).names)
        return _csv_header(path)
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        kind = "a Parquet file" if _format_of(path) == "parquet" else "a UTF-8 CSV file"
        raise RawFileError(
            f"{path.as_posix()} can't be read as {kind}: {type(error).__name__}. Expected the "
            f"format of its ending; write the file again."
        ) from error


def _csv_header(path: Path) -> tuple[str, ...]:
    opener = gzip.open if path.suffix == ".gz" else open
    # The load rejects what isn't UTF-8, line by line.
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = next(csv.reader(lines), [])
    return tuple(name.strip() for name in header)
