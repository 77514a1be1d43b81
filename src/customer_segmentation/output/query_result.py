"""The result of a query as text: a table for the terminal, CSV or JSON."""

from __future__ import annotations

import contextlib
import csv
import io

import duckdb
from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

RESULT_FORMATS = ("table", "csv", "json")
MAX_TABLE_ROWS = 100
_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "hugeint", "decimal", "float", "double"}


def result_text(result: duckdb.DuckDBPyRelation, result_format: str, width: int) -> str:
    """The rows of a result, ending in a line break.

    csv and json have all rows, with values as DuckDB writes them; json is one array of objects. A
    table has up to ``MAX_TABLE_ROWS``. DuckDB draws it if it fits into the terminal. Of a wider one
    DuckDB would break words and leave out columns; its values are wrapped between words instead.
    If even the longest words don't fit beside each other, each row is a block of lines.

    Args:
        result: The rows of a select or of another statement that returns some.
        result_format: One of ``RESULT_FORMATS``.
        width: Columns of the terminal, for a table.
    """
    if result_format == "csv":
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([result.columns, *_texts(result)])
        return file.getvalue()
    if result_format == "json":
        found = result.query("result", "select cast(to_json(result) as varchar) from result")
        assert found is not None
        return "[" + ",".join(f"\n{row}" for (row,) in found.fetchall()) + "\n]\n"
    drawn = _drawn_by_duckdb(result)
    if max(map(cell_len, drawn.splitlines())) <= width:
        return drawn
    rows = [
        ["NULL" if value is None else _printable(value) for value in row]
        for row in _texts(result.limit(MAX_TABLE_ROWS + 1))
    ]
    shown = rows[:MAX_TABLE_ROWS]
    page = _wrapped(result, shown, width) or _blocks(result.columns, shown, width)
    return page if shown == rows else f"{page}The first {MAX_TABLE_ROWS} rows; csv has all.\n"


def _texts(result: duckdb.DuckDBPyRelation) -> list[tuple[str | None, ...]]:
    return result.project("cast(columns(*) as varchar)").fetchall()


def _drawn_by_duckdb(result: duckdb.DuckDBPyRelation) -> str:
    drawn = io.StringIO()
    with contextlib.redirect_stdout(drawn):
        result.show(max_rows=MAX_TABLE_ROWS, max_width=100_000)
    return drawn.getvalue()


def _printable(text: str) -> str:
    """The text on one line, without what would steer the terminal."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _wrapped(result: duckdb.DuckDBPyRelation, rows: list[list[str]], width: int) -> str | None:
    """A table of which no word is broken; None if its longest words don't fit into the width."""
    columns = list(zip(result.columns, *rows, strict=True))
    texts = [max(map(cell_len, column)) for column in columns]
    words = [max(map(cell_len, " ".join(column).split()), default=1) for column in columns]
    # Beside each value are a line and two blanks, and at the end a line.
    space = width - 3 * len(columns) - 1
    if sum(words) > space:
        return None

    def widths(cap: int) -> list[int]:
        return [max(word, min(text, cap)) for word, text in zip(words, texts, strict=True)]

    cap = next(cap for cap in range(max(texts), -1, -1) if sum(widths(cap)) <= space)
    table = Table(box=box.SQUARE, show_lines=True, header_style="")
    for name, kind, size in zip(result.columns, result.types, widths(cap), strict=True):
        # crop: rich would count blanks at the end of a line of double-width characters as too long.
        justify: JustifyMethod = "right" if kind.id in _NUMBERS else "left"
        table.add_column(Text(name), width=size, justify=justify, overflow="crop")
    for row in rows:
        table.add_row(*map(Text, row))
    page = io.StringIO()
    Console(file=page, width=width, color_system=None).print(table)
    return page.getvalue()


def _blocks(columns: list[str], rows: list[list[str]], width: int) -> str:
    """A block of lines per row, with a name and its value on each."""
    console = Console(file=io.StringIO(), width=width)
    longest = max(map(cell_len, columns))
    blocks = ""
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            space = max(width - longest - 2, 1, *map(cell_len, value.split()))
            wrapped = Text(value).wrap(console, space, overflow="crop")
            indent = name + " " * (longest - cell_len(name) + 2)
            for line in wrapped or [Text()]:
                blocks += f"{indent}{line.plain}".rstrip() + "\n"
                indent = " " * (longest + 2)
        blocks += "\n"
    return blocks
