"""What the explorer withholds, and the files it is made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from printed_examples import ROOT
from scipy.optimize import linprog

from customer_segmentation.cells import Cell, withheld
from customer_segmentation.cli import main
from explorer.build import HERE, explorer_file
from explorer.tables import tables

SMALLEST = 10
COUNTS = st.integers(0, 40)


def table(rows: list[list[int]]) -> list[Cell]:
    """The cells of a table whose totals of rows and columns are known."""
    return [
        Cell(customers, (("row", down), ("column", across)))
        for down, row in enumerate(rows)
        for across, customers in enumerate(row)
    ]


@st.composite
def tables_of_counts(draw: st.DrawFn) -> list[Cell]:
    width = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(COUNTS, min_size=width, max_size=width), min_size=1, max_size=5))
    return table(rows)


def can_change(cells: list[Cell], hidden: set[int], position: int) -> bool:
    """Whether other counts agree with all that is shown, by linear programming."""
    places = {cell: at for at, cell in enumerate(sorted(hidden))}
    totals: dict[object, np.ndarray] = {}
    for cell, at in places.items():
        for total in cells[cell].totals:
            totals.setdefault(total, np.zeros(len(places)))[at] = 1
    counts = np.array([cells[cell].customers for cell in places])
    matrix = np.array(list(totals.values()))
    found = []
    for sign in (1, -1):
        goal = np.zeros(len(places))
        goal[places[position]] = sign
        found.append(linprog(goal, A_eq=matrix, b_eq=matrix @ counts, bounds=(0, None)).fun * sign)
    return bool(found[1] - found[0] > 0.5)


def alone_under_a_total(cells: list[Cell], position: int) -> bool:
    """Then no other cell can cover it: who knows the total knows the count."""
    return any(
        sum(cell.customers > 0 for cell in cells if total in cell.totals) == 1
        for total in cells[position].totals
    )


@given(tables_of_counts())
@examples(150)
def test_what_is_withheld_cannot_be_computed_from_totals(cells: list[Cell]) -> None:
    hidden = withheld(cells, SMALLEST)
    small = {at for at, cell in enumerate(cells) if 0 < cell.customers < SMALLEST}
    assert small <= hidden
    lonely = {at for at in hidden if alone_under_a_total(cells, at)}
    # A cell alone under its total gives its other total away, so only tables without are judged.
    for position in hidden if not lonely else []:
        assert can_change(cells, hidden, position), (cells, hidden, position)


@given(tables_of_counts())
@examples(100)
def test_nothing_is_withheld_without_need(cells: list[Cell]) -> None:
    hidden = withheld(cells, SMALLEST)
    assert not any(cells[at].customers == 0 for at in hidden)
    if not any(0 < cell.customers < SMALLEST for cell in cells):
        assert hidden == set()
    assert withheld(cells, 1) == set()


@given(tables_of_counts())
@examples(100)
def test_under_a_total_several_cells_of_enough_customers_are_withheld(cells: list[Cell]) -> None:
    hidden = withheld(cells, SMALLEST)
    for total in {total for cell in cells for total in cell.totals}:
        under = {at for at, cell in enumerate(cells) if total in cell.totals and cell.customers}
        gone = under & hidden
        enough = len(gone) > 1 and sum(cells[at].customers for at in gone) >= SMALLEST
        assert not gone or enough or gone == under


def test_two_withheld_parts_joined_by_one_cell_are_taken_apart() -> None:
    """Every total hides two cells or more, yet the cell between the parts would follow."""
    rows = [
        [5, 5, 20, 20],
        [5, 5, 20, 20],
        [20, 5, 5, 5],
        [20, 20, 5, 5],
    ]
    cells = table(rows)
    small = {at for at, cell in enumerate(cells) if cell.customers < SMALLEST}
    joint = 2 * 4 + 1
    assert not can_change(cells, small, joint)
    hidden = withheld(cells, SMALLEST)
    assert all(can_change(cells, hidden, at) for at in hidden)


def test_a_secret_cell_is_withheld_with_another() -> None:
    cells = [Cell(50, ("all",), is_secret=True), Cell(30, ("all",)), Cell(20, ("all",))]
    assert withheld(cells, SMALLEST) == {0, 2}


def test_figures_of_too_few_customers_are_null_and_directions_left_out(tmp_path: Path) -> None:
    file = tmp_path / "page.sql"
    file.write_text("""
        -- Comments may come first.
-- table: sizes
        select * from (values
            ('a', 'all', 7, 70.5), ('b', 'all', 30, 1 / 3),
            ('c', 'all', 12, null), ('d', null, 3, 1.0)
        ) as sizes (name, total_1, customers, revenue)
-- table: words
        select date '2024-03-05' as day, 'x' as word
    """)
    with duckdb.connect() as connection:
        found = tables(file, connection, SMALLEST)
    assert found["sizes"]["columns"] == ["name", "customers", "revenue"]
    assert found["sizes"]["rows"] == [
        ["a", None, None],
        ["b", 30, 0.333333],
        ["c", None, None],
        ["d", None, None],
    ]
    assert found["words"] == {"columns": ["day", "word"], "rows": [["2024-03-05", "x"]]}


@pytest.mark.parametrize(
    ("published", "page"),
    [("segments.duckdb", "index.html"), ("shop.duckdb", "shop.html")],
)
def test_explorers_of_published_files_in_one_folder_lie_side_by_side(
    published: str, page: str
) -> None:
    assert explorer_file(Path("published", published)) == Path("published/explorer", page)


def test_a_published_file_of_another_version_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "segments.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema monitoring")
        connection.execute("create table monitoring.data_set as select 'shop' as dataset")
    with pytest.raises(SystemExit):
        main(["explore", "--published", str(file)])
    assert "segments.duckdb was published by another version" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_the_charting_library_is_the_released_file() -> None:
    """dist/echarts.min.js of echarts 6.1.0 on npm, unchanged."""
    vendor = HERE / "vendor"
    library = (vendor / "echarts.min.js").read_bytes()
    assert hashlib.sha256(library).hexdigest() == (
        "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0"
    )
    assert b"Apache License" in (vendor / "LICENSE-echarts").read_bytes()
    assert b"Apache ECharts" in (vendor / "NOTICE-echarts").read_bytes()


def test_a_page_is_a_template_with_or_without_queries() -> None:
    templates = {file.name.removesuffix(".html.jinja") for file in HERE.glob("pages/*.jinja")}
    assert {file.stem for file in HERE.glob("pages/*.sql")} <= templates
    assert len(templates) > 5


def test_queries_leave_the_schema_details_alone() -> None:
    """It is no interface of the published file."""
    for file in (ROOT / "src" / "explorer").rglob("*.sql"):
        assert " details." not in file.read_text(encoding="utf-8"), file
