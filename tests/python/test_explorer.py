"""What the explorer withholds, and the files it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from printed_examples import ROOT
from scipy.optimize import linprog

from customer_segmentation.cells import Cell, Point, kept_points, withheld
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
    return is_open(np.array(list(totals.values())), counts, places[position])


def is_open(matrix: np.ndarray, counts: np.ndarray, at: int) -> bool:
    """Whether a count may be another one while the sums of the rows of a matrix hold."""
    found = []
    for sign in (1, -1):
        goal = np.zeros(len(counts))
        goal[at] = sign
        bounds = (0, 1_000_000)
        found.append(linprog(goal, A_eq=matrix, b_eq=matrix @ counts, bounds=bounds).fun * sign)
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


@pytest.fixture(scope="module")
def shop() -> Iterator[duckdb.DuckDBPyConnection]:
    """Small tables that the page of a segment reads, of customers in two exclusive schemes."""
    with duckdb.connect() as connection:
        connection.execute("""
            set threads = 1;
            create schema monitoring;
            create table monitoring.data_set as select 10 as smallest_cell;
            select setseed(.5);
            create table places as
            select
                range as customer,
                range // 150 as world,
                ['low', 'middle', 'high'][1 + cast(floor(3 * random() ** 1.5) as int)] as one,
                ['left', 'mid', 'right'][1 + cast(floor(3 * random() ** 1.5) as int)] as other,
                [5, 15, 25, 35][1 + cast(floor(4 * random() ** 2) as int)] as bin,
                random() < .3 as is_known,
                date '2024-02-01' as period,
                ['entered', 'exited'][1 + cast(random() * 1.6 > 1 as int)] as change,
                ['behaviour', 'refit', 'definition'][1 + cast(floor(3 * random() ** 3) as int)]
                    as cause,
                random() < .25 as has_moved
            from range(150 * 40);
            create table members as
            select *, concat(world, '-one:', one) as segment_key, concat(world, 'one') as scheme
            from places
            union all
            select *, concat(world, '-other:', other), concat(world, 'other') from places;
            create table segments as
            select distinct segment_key, scheme, true as is_exclusive from members;
            create table shown_sizes as
            select period, segment_key, count(*) as customers from members group by all;
            create table segment_profiles as
            select
                segment_key, concat(world, 'feature') as feature,
                count(*) filter (is_known) as members, 1.0 as mean, 1.0 as quartile_1,
                1.0 as quartile_2, 1.0 as quartile_3, 100 as index
            from members group by all;
            create table monitoring.segment_distributions as
            select
                period, segment_key, 'monetary' as metric, 1000 ** world * bin as value,
                count(*) as customers
            from members where world < 2 group by all;
            create table segment_changes as
            select segment_key, period as changed_on, change, cause
            from members where has_moved;
        """)
        yield connection


def shown(shop: duckdb.DuckDBPyConnection, name: str, folder: Path) -> dict[Any, int | None]:
    """The customers of a table of the page of a segment, by what its rows are about."""
    text = (HERE / "pages" / "20_segment.sql").read_text(encoding="utf-8")
    query = next(part for part in text.split("-- table: ") if part.startswith(f"{name}\n"))
    (folder / "page.sql").write_text(f"-- table: {query}", encoding="utf-8")
    table = tables(folder / "page.sql", shop, SMALLEST)[name]
    at = table["columns"].index("customers")
    return {tuple(row[:at]): row[at] for row in table["rows"]}


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        (
            "bins",
            """
            select (segment_key, metric, value), customers,
                [concat(segment_key), concat(scheme, value)]
            from monitoring.segment_distributions join segments using (segment_key)
            """,
        ),
        (
            "profiles",
            """
            select (segment_key, feature), members, [concat(feature, scheme)]
            from segment_profiles join segments using (segment_key)
            """,
        ),
    ],
)
def test_what_a_page_withholds_cannot_be_computed_from_another_scheme(
    name: str, truth: str, shop: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = shown(shop, name, tmp_path)
    known = shop.execute(truth).fetchall()
    cells = [Cell(customers, tuple(totals)) for _, customers, totals in known]
    if name == "bins":
        # A bin of the page holds the values from its lower edge on: here one each.
        values = sorted({key[2] for key, *_ in known})
        edges = sorted({key[2] for key in found})
        lower = {value: max(edge for edge in edges if edge <= value) for value in values}
        keys = [(*key[:2], lower[key[2]]) for key, *_ in known]
        page = {(*key[:2], key[2]): customers for key, customers in found.items()}
    else:
        keys = [key for key, *_ in known]
        page = found
    assert all(page[key] in (None, cell.customers) for key, cell in zip(keys, cells, strict=True))
    hidden = {at for at, key in enumerate(keys) if page[key] is None}
    judged = {at for at in hidden if not alone_under_a_total(cells, at)}
    assert {at for at, cell in enumerate(cells) if 0 < cell.customers < SMALLEST} <= hidden
    assert len(judged) > 5
    assert len(hidden) < len(cells)
    assert all(can_change(cells, hidden, at) for at in judged)


def test_who_entered_does_not_follow_from_who_left(
    shop: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Readers know both sizes of a segment, so their difference, and may know who left in all."""
    found = shown(shop, "causes", tmp_path)
    truth: dict[str, dict[str, dict[str, int]]] = {}
    for key, change, cause, customers in shop.execute(
        "select segment_key, change, cause, count(*) from segment_changes group by all order by all"
    ).fetchall():
        truth.setdefault(key, {}).setdefault(change, {})[cause] = customers
    page: dict[str, dict[tuple[str, str], int | None]] = {}
    for (key, _, change, cause), customers in found.items():
        assert customers in (None, truth[key][change][cause])
        page.setdefault(key, {})[change, cause] = customers
    few = {
        key for key, both in truth.items() if min(sum(one.values()) for one in both.values()) < 10
    }
    assert few
    assert page
    assert not few & page.keys()
    assert few | page.keys() == truth.keys()
    judged = 0
    for key in page:
        gone = [
            (change, customers)
            for change, one in truth[key].items()
            for cause, customers in one.items()
            if page[key][change, cause] is None
        ]
        signs = np.array([1 if change == "entered" else -1 for change, _ in gone])
        rows = [signs, *(signs == sign for sign in set(signs.tolist()))]
        counts = np.array([customers for _, customers in gone])
        for at in range(len(gone)):
            assert is_open(np.array(rows, dtype=float), counts, at)
            judged += 1
    assert judged > 5


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


@st.composite
def curves(draw: st.DrawFn) -> list[Point]:
    steps = st.lists(st.tuples(COUNTS, COUNTS, st.booleans()), max_size=20)
    points = [Point((0, 0))]
    for one, other, is_known in draw(steps):
        counts = points[-1].counts
        points.append(Point((counts[0] + one, counts[1] + other), is_known))
    return points


@examples(200)
@given(curves())
def test_between_two_points_of_a_curve_lie_enough_customers_of_each_kind(
    points: list[Point],
) -> None:
    kept = kept_points(points, SMALLEST)
    fixed = {0, len(points) - 1, *(at for at, point in enumerate(points) if point.is_known)}
    assert kept == sorted(set(kept))
    assert fixed <= set(kept)
    for one, other in pairwise(kept):
        steps = np.subtract(points[other].counts, points[one].counts)
        assert {one, other} <= fixed or all(step == 0 or step >= SMALLEST for step in steps)
        # None is left out that is far from both.
        for at in range(one + 1, other):
            inner = [points[at].counts, points[other].counts]
            parts = np.diff([points[one].counts, *inner], axis=0)
            assert {one, other} - fixed or parts.min() < SMALLEST


def test_points_that_are_too_near_are_left_out() -> None:
    counts = [(0, 0), (9, 20), (10, 40), (15, 60), (15, 90), (22, 200), (25, 300)]
    assert kept_points([Point(one) for one in counts], SMALLEST) == [0, 2, 6]
    known = [Point(one, is_known=at == 3) for at, one in enumerate(counts)]
    assert kept_points(known, SMALLEST) == [0, 3, 4, 6]


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
    assert found["words"] == {
        "columns": ["day", "word"],
        "types": ["DATE", "VARCHAR"],
        "rows": [["2024-03-05", "x"]],
    }


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


def test_groups_are_shown_of_segments_whose_size_is_shown(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            create schema monitoring;
            create table shown_sizes as
            select date '2024-02-01' as period, *
            from (values ('rule:small', null), ('rule:large', 90)) as sizes
                (segment_key, customers);
            create table monitoring.segment_fairness as
            select
                'region' as attribute, .5 as member_share, .5 as customer_share, 1 as parity_ratio,
                .9 as ratio_low, 1.1 as ratio_high, 'ok' as verdict, *
            from (
                values ('rule:small', 'N', 20), ('rule:large', 'N', 70), ('rule:large', 'S', null)
            ) as members (segment_key, attribute_group, members);
        """)
        found = shown(connection, "fairness", tmp_path)
    assert found == {
        ("rule:large", "region", "N"): 70,
        ("rule:large", "region", "S"): None,
    }
