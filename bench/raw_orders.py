"""Writes the raw orders of a made-up shop: one Parquet file in the shape of the input contract.

Customers come at any day of three years, stay for different times and order at different rates, 20
orders each on average. One row in a hundred is there twice, and a few in each thousand have a fault
of every kind that staging looks for. All of it is a function of the seed, whatever the number of
threads, with one version of DuckDB.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

AS_OF = "2026-01-01"
TIMEZONE = "Europe/Berlin"
ORDERS_PER_CUSTOMER = 20


def write_raw_orders(folder: Path, customers: int, seed: int) -> int:
    """Writes `orders.parquet` into a folder and returns its number of rows.

    Args:
        folder: The raw folder; made if need be.
        customers: Number of customers.
        seed: Another seed gives other customers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "orders.parquet"
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '4GB'")
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set preserve_insertion_order = true")
        connection.execute(f"set temp_directory = '{folder.parent / 'spill'}'")
        connection.execute(f"copy ({_orders(customers, seed)}) to '{path}'")
        (rows,) = connection.execute(f"select count(*) from '{path}'").fetchall()[0]
    return int(rows)


def _orders(customers: int, seed: int) -> str:
    def uniform(*parts: object) -> str:
        """SQL of a number from 0 up to 1 that depends on the parts alone."""
        return f"((hash({', '.join(map(str, parts))}, {seed}) >> 11) / 9007199254740992.0)"

    return f"""
    with people as (
        select
            customer,
            -- exponential, so that a few order much more often than most
            least(1 + floor(-ln(1 - {uniform("customer", 1)}) * {ORDERS_PER_CUSTOMER - 0.5}), 400)
                as orders,
            -- seconds before as_of
            86400 * 1095 * {uniform("customer", 2)} as first_before,
            {uniform("customer", 3)} ** 2 as share_of_time_lapsed
        from range({customers}) as people(customer)
    ),
    visits as (
        select
            customer,
            number,
            first_before * (
                1 - (1 - share_of_time_lapsed)
                * case when number = 0 then 0 else {uniform("customer", "number", 4)} end
            ) as seconds_before,
            {uniform("customer", "number", 5)} as chance,
            {uniform("customer", "number", 6)} as size
        from people
        cross join lateral (select unnest(range(cast(orders as bigint)))) as numbers(number)
    ),
    orders as (
        select
            *,
            timestamp '{AS_OF}' - to_seconds(3600 + cast(seconds_before as bigint)) as ordered_at,
            cast(exp(3.2 + 0.9 * sqrt(-2 * ln(1 - size)) * cos(6.2831853 * chance))
                as decimal(18, 2)) as price
        from visits
    ),
    faults as (
        select unnest([0, 1]) as repeat
    )
    select
        case when chance between .0101 and .0103 then null
            else 'o' || lpad(cast(customer as varchar), 8, '0') || '-' || number end as order_id,
        case when customer % 10 = 0 then 'till' else 'shop' end as source_system,
        case when chance between .02 and .04 then null else 'c' || customer end as customer_ref,
        case when chance between .0103 and .0105 then ordered_at + to_days(400) else ordered_at end
            as ordered_at,
        case
            when chance between .0105 and .0107 then -price
            when chance between .04 and .06 then -price
            -- the second copy of some rows says something else
            when faults.repeat = 1 and chance < .003 then price + 1
            else price
        end as amount,
        'EUR' as currency,
        case
            when chance between .0107 and .0109 then 'lost'
            when chance between .04 and .06 then 'returned'
            when chance between .06 and .07 then 'ignored'
            else 'completed'
        end as status,
        case when customer % 3 = 0 then 'app' else 'web' end as channel,
        ordered_at + to_hours(3)
        + to_days(case when faults.repeat = 1 and chance < .0025 then 1 else 0 end) as loaded_at
    from orders
    inner join faults on faults.repeat = 0 or chance < .01
    order by orders.ordered_at, customer, number, faults.repeat
    """
