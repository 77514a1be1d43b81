"""RFM alone with openretailscience (Ibis on DuckDB). Runs in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import ibis
from openretailscience.segmentation.rfm import RFMSegmentation
from raw_orders import AS_OF


def main(raw: Path, target: Path) -> None:
    connection = ibis.duckdb.connect(threads=2, memory_limit="2500MB")
    orders = connection.read_parquet(raw / "orders.parquet")
    orders = orders.filter(
        orders.customer_ref.notnull(), orders.status == "completed", orders.ordered_at < AS_OF
    )
    orders = orders.select(
        customer_id="customer_ref",
        transaction_date="ordered_at",
        unit_spend="amount",
        transaction_id="order_id",
    )
    rfm = RFMSegmentation(orders, current_date=AS_OF, r_segments=5, f_segments=5, m_segments=5)
    rfm.table.to_parquet(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
