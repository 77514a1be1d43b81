"""What `make query` prints: a table for the terminal, CSV or JSON, and no traceback."""

import csv
import json
from pathlib import Path

import duckdb
import pytest
from rich.cells import cell_len

from customer_segmentation.cli import main
from customer_segmentation.output.query_result import MAX_TABLE_ROWS, result_text

SEGMENTS = """
    select *
    from (
        values
            ('rfm:champions', 292, 'last order at most 1 day ago and at least 56 orders', null),
            ('rfm:at_risk', -1, 'last order at least 10 days ago, 日本語 and 33 to 95 orders', '')
    ) as segments (segment_key, customers, definition, "an offer")
"""
WORDS = {"rfm:champions", "rfm:at_risk", "292", "-1", "definition", "orders", "least", "日本語"}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "segments.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create table segments as {SEGMENTS}")
        connection.execute("create table many as select range as n from range(100000)")
    return path


@pytest.mark.parametrize("width", range(30, 130, 5))
def test_a_table_breaks_no_word_and_is_no_wider_than_the_terminal(width: int) -> None:
    page = result_text(duckdb.sql(SEGMENTS), "table", width)
    assert max(map(cell_len, page.splitlines())) <= width
    assert set(page.replace("│", " ").split()) >= WORDS
    assert "…" not in page


def test_what_fits_is_drawn_by_duckdb() -> None:
    page = result_text(duckdb.sql("select 1 as a, 'x y' as b"), "table", 40)
    assert page.split("\n")[1:5] == [
        "│   a   │    b    │",
        "│ int32 │ varchar │",
        "├───────┼─────────┤",
        "│     1 │ x y     │",
    ]


def test_numbers_of_a_wrapped_table_are_aligned_to_the_right() -> None:
    page = result_text(duckdb.sql(SEGMENTS), "table", 60)
    assert "│       292 │" in page
    assert "│        -1 │" in page


def test_a_row_that_is_too_wide_is_a_block_with_a_line_per_column() -> None:
    columns = ", ".join(f"{n} as column_{n}" for n in range(12))
    page = result_text(duckdb.sql(f"select {columns} union all select {columns}"), "table", 60)
    blocks = page.split("\n\n")[:2]
    assert blocks == ["\n".join(f"{f'column_{n}':9}  {n}" for n in range(12))] * 2


def test_a_long_table_says_how_much_of_it_is_shown() -> None:
    long = duckdb.sql("select range as n, repeat('word ', 30) as words from range(101)")
    page = result_text(long, "table", 60)
    assert page.endswith(f"\nThe first {MAX_TABLE_ROWS} rows; csv has all.\n")
    assert "│ 99 │" in page
    assert "│ 100 │" not in page
    assert "The first" not in result_text(long.limit(MAX_TABLE_ROWS), "table", 60)


def test_values_do_not_steer_the_terminal() -> None:
    steering = duckdb.sql(
        "select 'a' || chr(27) || '[31m' || chr(10) || 'b' as x, repeat('y ', 30)"
    )
    page = result_text(steering, "table", 40)
    assert "\x1b" not in page
    assert "a\\x1b[31m\\nb" in page


def test_csv_and_json_have_all_rows_and_values() -> None:
    result = duckdb.sql(f"{SEGMENTS} union all select 's', range, 'x', 'a,\"b\"' from range(200)")
    rows = list(csv.reader(result_text(result, "csv", 10).splitlines()))
    assert rows[0] == ["segment_key", "customers", "definition", "an offer"]
    assert (len(rows), rows[-1]) == (203, ["s", "199", "x", 'a,"b"'])
    objects = json.loads(result_text(result, "json", 10))
    assert len(objects) == 202
    assert objects[0]["customers"] == 292
    assert objects[0]["an offer"] is None
    assert list(objects[-1].values()) == ["s", 199, "x", 'a,"b"']
    assert json.loads(result_text(duckdb.sql("select 1 as a limit 0"), "json", 10)) == []


def test_the_width_is_that_of_the_terminal(
    published: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (50, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        main(["query", "select * from segments", "--published", str(published)])
        lines = capsys.readouterr().out.splitlines()
        assert columns - 25 < max(map(cell_len, lines)) <= columns


@pytest.mark.parametrize("sql", [[], [""], [" "], ["-- a comment"]])
def test_without_a_query_one_line_says_so(
    published: Path, capsys: pytest.CaptureFixture[str], sql: list[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["query", "--published", str(published), "--", *sql])
    said = capsys.readouterr()
    assert (stopped.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert 'make query SQL="select ..."' in said.err


def test_a_wrong_query_is_answered_in_words(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["query", "select * from segmnts", "--published", str(published)])
    assert "Table with name segmnts does not exist" in capsys.readouterr().err
