"""RFM the way tutorials teach it: everything into a data frame, group, cut into quintiles."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from raw_orders import AS_OF


def main(raw: Path, target: Path) -> None:
    orders = pd.read_parquet(raw / "orders.parquet")
    orders = orders.drop_duplicates(["order_id", "source_system"])
    orders = orders[(orders["status"] == "completed") & orders["customer_ref"].notna()]
    orders = orders[orders["ordered_at"] < AS_OF]
    rfm = orders.groupby("customer_ref").agg(
        last_order=("ordered_at", "max"),
        frequency=("order_id", "nunique"),
        monetary=("amount", "sum"),
    )
    rfm["recency"] = (pd.Timestamp(AS_OF) - rfm["last_order"]).dt.days
    rfm["monetary"] = rfm["monetary"].astype(float)
    for column, labels in (
        ("recency", [5, 4, 3, 2, 1]),
        ("frequency", [1, 2, 3, 4, 5]),
        ("monetary", [1, 2, 3, 4, 5]),
    ):
        ranks = rfm[column].rank(method="first")
        rfm[f"{column}_score"] = pd.qcut(ranks, 5, labels=labels).astype(int)
    rfm.drop(columns="last_order").to_parquet(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
