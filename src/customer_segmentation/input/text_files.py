"""Reads text files, CSV and JSON lines: their columns, and their rows as text.

Every line of a file is a row, noted as unreadable, or part of a value with line breaks. Where the
sum doesn't come out, the file is refused: a double quote that is opened and never closed swallows
the lines after it.

Messages repeat nothing of a file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb

from customer_segmentation.sql import file_literal, identifier, literal

_LONGEST_LINE = 16 * 1024 * 1024  # bytes
_READ_ERRORS = (OSError, EOFError, zlib.error, csv.Error, duckdb.Error)


class RawFileError(ValueError):
    """A raw file can't be used. The message names the file, what was found and what is expected."""


def columns_of_text(path: Path, format_: str) -> tuple[str, ...]:
    """The columns of a CSV file by its header, of JSON lines by their keys; in order.

    Raises:
        RawFileError: The file can't be read.
    """
    try:
        with _opened(path) as file:
            is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if not is_utf_16:
            return _keys(path) if format_ == "json" else _header(path)[0]
    except _READ_ERRORS as error:
        raise _unreadable(path, format_, error) from error
    raise RawFileError(f"{path.as_posix()} is in UTF-16. Expected UTF-8: write it again.")


def load_text(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    format_: str,
    one_line: Sequence[str],
) -> None:
    """Loads a text file into the temporary tables part_rows and part_errors.

    part_rows has a column of text for each of the file. part_errors has one row per line that can't
    be read (line, error), where the header is line 1 and a row with line breaks counts once.

    Args:
        connection: A connection to the working database, used for nothing else meanwhile.
        path: The file.
        format_: "csv" or "json".
        one_line: Columns whose values can't hold a line break.

    Raises:
        RawFileError: The file as a whole can't be read, or lines of it would be lost.
    """
    try:
        lines = _count_lines(path)
        if format_ == "json":
            lines_of_header = 0
            _read_json(connection, path)
        else:
            columns, lines_of_header = _header(path)
            _read_csv(connection, path, columns)
    except _READ_ERRORS as error:
        raise _unreadable(path, format_, error) from error
    _account_for_lines(connection, path, lines - lines_of_header)
    _refuse_line_breaks(connection, path, one_line)


def _opener(path: Path) -> Callable[..., Any]:
    return gzip.open if path.name.casefold().endswith(".gz") else open


def _opened(path: Path) -> IO[bytes]:
    return _opener(path)(path, "rb")  # type: ignore[no-any-return]


def _header(path: Path) -> tuple[tuple[str, ...], int]:
    """The columns of a CSV file, and the number of lines that name them."""
    # The load rejects what isn't UTF-8, line by line.
    with _opener(path)(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(iter(lambda: file.readline(_LONGEST_LINE), ""))
        header = next(reader, [])
    names = (name.strip() or f"unnamed_{n}" for n, name in enumerate(header, start=1))
    return tuple(names), reader.line_num


def _keys(path: Path) -> tuple[str, ...]:
    """The keys of the objects in a file of JSON lines, in the order they are met."""
    with duckdb.connect() as connection:
        found = connection.execute(
            f"""
            select key
            from (
                select unnest(json_keys(json)) as key, row_number() over () as number
                from {_json_lines(path)}
                where json_type(json) = 'OBJECT'
            )
            group by key
            order by min(number)
            """
        ).fetchall()
    return tuple(key for (key,) in found if not {'"', "\\"} & set(key))


def _json_lines(path: Path) -> str:
    file = file_literal(path.as_posix())
    return f"read_ndjson_objects({file}, ignore_errors = true, hive_partitioning = false)"


def _read_json(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    paths = {key: literal('$."' + key + '"') for key in _keys(path)}
    values = "".join(
        f", json_extract_string(json, {at}) as {identifier(key)}" for key, at in paths.items()
    )
    connection.execute(
        f"""
        create or replace temp table part_lines as
        select row_number() over () as line, json from {_json_lines(path)};
        create or replace temp table part_rows as
        select * exclude (line, json) from (select *{values} from part_lines)
        where json_type(json) = 'OBJECT';
        create or replace temp table part_errors as
        select line, 'NOT A JSON OBJECT' as error, 0 as line_breaks, false as is_open
        from part_lines
        where json_type(json) is distinct from 'OBJECT';
        drop table part_lines
        """
    )


def _read_csv(connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]) -> None:
    types = ", ".join(f"{literal(name)}: 'varchar'" for name in columns)
    try:
        connection.execute(
            f"""
            create or replace temp table part_rows as
            select * from read_csv(
                {file_literal(path.as_posix())}, header = true, auto_detect = false, delim = ',',
                quote = '"', escape = '"', columns = {{{types}}}, store_rejects = true,
                rejects_limit = 0, max_line_size = {_LONGEST_LINE},
                hive_partitioning = false
            )
            """
        )
    except duckdb.InvalidInputException:
        if _mixes_line_ends(path):
            raise RawFileError(
                f"{path.as_posix()} mixes line ends: some lines end in CR LF, others in LF. "
                f"Expected one kind: write the file again."
            ) from None
        raise
    # A line can have several errors; that of the first column is kept.
    connection.execute(
        f"""
        create or replace temp table part_errors as
        select
            line,
            min_by(error_type, coalesce(column_idx, 0)) as error,
            max({_breaks("rtrim(csv_line, chr(10) || chr(13))")}) as line_breaks,
            bool_or(error_type = 'UNQUOTED VALUE') as is_open
        from reject_errors
        group by line;
        drop table reject_errors;
        drop table reject_scans
        """
    )


def _count_lines(path: Path) -> int:
    """Lines that aren't blank. Reads to the end, so that a damaged archive is found."""
    count, is_new, is_old = 0, True, False
    with _opened(path) as file:
        for piece in _pieces(file):
            count += is_new and piece not in (b"\n", b"\r\n")
            is_new = piece.endswith(b"\n")
            is_old |= b"\r" in piece.rstrip(b"\r\n")
    if count != 1 or not is_old:
        return count
    # A file of old with CR alone is one line of bytes.
    with _opener(path)(path, "rt", encoding="latin-1") as text:
        return sum(line != "\n" for line in iter(lambda: text.readline(_LONGEST_LINE), ""))


def _mixes_line_ends(path: Path) -> bool:
    with _opened(path) as file:
        ends = {line.endswith(b"\r\n") for line in _pieces(file) if line.endswith(b"\n")}
    return len(ends) > 1


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, longer ones in pieces: a small archive may hold one of gigabytes."""
    return iter(lambda: file.readline(_LONGEST_LINE), b"")


def _breaks(text: str) -> str:
    """SQL of the line breaks in a text; those of blank lines count with the one before."""
    newline = f"replace(replace({text}, chr(13) || chr(10), chr(10)), chr(13), chr(10))"
    return f"coalesce(len(regexp_extract_all({newline}, '\\n+')), 0)"


def _account_for_lines(connection: duckdb.DuckDBPyConnection, path: Path, lines: int) -> None:
    rows, errors = connection.execute(
        "select (select count(*) from part_rows), (select count(*) from part_errors)"
    ).fetchall()[0]
    if lines == rows + errors:
        return
    first, swallowed, inside = connection.execute(
        """
        select
            min(line) filter (where is_open and line_breaks > 0),
            coalesce(sum(line_breaks) filter (where is_open), 0),
            coalesce(sum(line_breaks) filter (where not is_open), 0)
        from part_errors
        """
    ).fetchall()[0]
    if swallowed:
        raise RawFileError(
            f"{path.as_posix()} opens a double quote in row {first} (the header is row 1) that "
            f"isn't closed as it should be, so the {swallowed} lines after it are lost. Expected "
            f"line breaks between two quotes only, and a quote inside a value doubled: mend the "
            f"row, or write the file again."
        )
    columns = [row[0] for row in connection.execute("describe part_rows").fetchall()]
    breaks = " + ".join(_breaks(identifier(name)) for name in columns)
    inside += connection.execute(f"select coalesce(sum({breaks}), 0) from part_rows").fetchall()[0][
        0
    ]
    if lines != rows + errors + inside and len(columns) > 1:
        raise RawFileError(
            f"{path.as_posix()} has {lines} lines with data, of which {rows + errors + inside} "
            f"could be told apart. Expected one record a line, quoted where it holds a comma or a "
            f"line break: write the file again."
        )


def _refuse_line_breaks(
    connection: duckdb.DuckDBPyConnection, path: Path, one_line: Sequence[str]
) -> None:
    known = {row[0].casefold() for row in connection.execute("describe part_rows").fetchall()}
    for name in one_line:
        if name not in known:
            continue
        inner = f"trim({identifier(name)}, ' ' || chr(9) || chr(10) || chr(13))"
        found = connection.execute(
            f"select count(*) from part_rows where regexp_matches({inner}, '[\\r\\n]')"
        ).fetchall()[0][0]
        if found:
            raise RawFileError(
                f"{path.as_posix()} has a line break inside {name} of {found} rows, so lines are "
                f"lost in it. Expected each value of {name} on one line: look for a double quote "
                f"that isn't closed, or write the file again."
            )


def _unreadable(path: Path, format_: str, error: Exception) -> RawFileError:
    kind = "a file of JSON lines" if format_ == "json" else "a CSV file with commas and quotes"
    return RawFileError(
        f"{path.as_posix()} can't be read as {kind} in UTF-8: {type(error).__name__}. Expected "
        f"one record a line, in CSV quoted where it holds a comma or a line break; write the file "
        f"again."
    )
