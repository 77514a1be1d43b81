"""Clusters through a whole build: assignment in SQL, keys over refits, registry and personas."""

from __future__ import annotations

import functools
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from sklearn.metrics import adjusted_rand_score
from test_cluster_fits import assigned

pytestmark = pytest.mark.slow

SHOPPERS_VARS = {
    "history_start": "2024-01-01",
    "as_of": "2024-07-01",
    "cluster_k": {"min": 2, "max": 5},
    "rule_segments": {},
}
FITS = [date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1)]
# Days between orders and their amount.
GROUPS = {"heavy": (4, 300.0), "small": (4, 8.0), "seldom": (45, 100.0), "gone": (None, 60.0)}


@functools.cache
def shopper_orders() -> pd.DataFrame:
    """Sixty customers of each group, named after it; orders from July 2023 to June 2024."""
    rng = np.random.default_rng(20240701)
    rows = []
    for group, (gap, amount) in GROUPS.items():
        for number in range(60):
            days = (
                rng.uniform(0, 30, 6)
                if gap is None
                else np.arange(rng.uniform(0, gap), 365, gap * rng.uniform(0.8, 1.25))
            )
            for day, spent in zip(days, amount * rng.lognormal(0, 0.15, len(days)), strict=True):
                rows.append((f"{group}-{number}", day, round(float(spent), 2)))
    # Nobody else is like these two.
    rows += [(f"odd-{number}", 364.5, 90_000.0) for number in range(2)]
    orders = pd.DataFrame(rows, columns=["customer_ref", "day", "amount"])
    orders["ordered_at"] = pd.Timestamp("2023-07-01") + pd.to_timedelta(orders["day"], unit="D")
    orders["ordered_at"] = orders["ordered_at"].dt.floor("s")
    orders["order_id"] = [str(number) for number in range(len(orders))]
    return orders.drop(columns="day")


@functools.cache
def working(build: Build) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(build.passed().folder / "warehouse" / "trial.duckdb"), read_only=True)


def test_sql_assigns_as_the_long_table_says(shoppers: Build) -> None:
    connection = working(shoppers)
    fit = connection.sql("from scores.int_segmentation__cluster_fit").df()
    fit["as_of"] = pd.to_datetime(fit["as_of"]).dt.date
    found = connection.sql(
        """
        select
            clusters.fitted_as_of,
            clusters.cluster_key,
            ln(1 + features.recency_days__all) as recency_days,
            ln(1 + features.orders__all) as frequency,
            ln(1 + features.revenue__all::double) as monetary
        from scores.int_segmentation__clusters as clusters
        inner join features.int_features__customers as features using (as_of, customer_key)
        """
    ).df()
    fitted_as_of = pd.to_datetime(found["fitted_as_of"]).dt.date
    assert sorted(set(fitted_as_of)) == FITS
    for fitted in FITS:
        then = found[fitted_as_of == fitted]
        np.testing.assert_array_equal(then["cluster_key"], assigned(fit, fitted, then))
    assert "outlier" in set(found["cluster_key"])


def test_planted_groups_are_found_again(shoppers: Build) -> None:
    rows = shoppers.passed().rows(
        "select split_part(customer_ref, '-', 1), cluster_key"
        " from customer_records join customer_segments using (customer_id)"
    )
    groups, keys = zip(*rows, strict=True)
    assert adjusted_rand_score(groups, keys) >= 0.9


def test_the_registry_tells_what_is_in_force_and_what_was(shoppers: Build) -> None:
    models = shoppers.passed().query("from models.cluster_models order by status, fitted_as_of")
    fitted = models[models["status"] != "candidate"]
    assert fitted["status"].tolist() == ["in_force", "retired", "retired"]
    assert fitted["selected_as_of"].nunique() == 1
    assert fitted["k"].nunique() == 1
    assert (fitted["silhouette"] > fitted["simulated_silhouette"]).all()
    selection = shoppers.query("from models.cluster_selection")
    assert set(models.query("status == 'candidate'")["model_id"]) == set(
        selection.loc[~selection["chosen"], "model_id"]
    )
    assert selection["chosen"].sum() == 1
    of_kmeans = selection["algorithm"] == "kmeans"
    for index in ("gap", "stability", "simulated_silhouette", "is_elbow"):
        assert (selection[index].notna() == of_kmeans).all()


def test_lineage_accounts_for_all_customers(shoppers: Build) -> None:
    lineage = shoppers.passed().query(
        "select fitted_as_of::varchar as day, * from models.cluster_lineage"
    )
    assert sorted(set(lineage["day"])) == [str(day) for day in FITS[1:]]
    sizes = dict(
        shoppers.rows(
            "select fitted_as_of::varchar, sampled_customers from models.cluster_models"
            " where status <> 'candidate'"
        )
    )
    relabelled = lineage.groupby("day")["relabelled_customers"].sum()
    assert relabelled.to_dict() == {day: sizes[day] for day in relabelled.index}
    kept = lineage[lineage["kind"] == "match"]
    assert set(kept["cluster_key"]) >= {"c01", "c02"}


def test_personas_are_told_by_the_numbers_of_their_members(shoppers: Build) -> None:
    """as_of is the date of the fit and everyone is in the sample, so all figures must agree."""
    rows = shoppers.passed().rows(
        """
        select name, description, recommended_action, customers, revenue_share
        from segments
        inner join segment_kpis using (segment_key)
        where segments.scheme = 'cluster' and segment = 'c01' and period = segments.as_of
        """
    )
    ((name, description, action, customers, revenue_share),) = rows
    total = len({*shopper_orders()["customer_ref"]})
    share = f"{customers / total:.1%}"
    told = f"{customers} of {total} customers ({share}) with {revenue_share:.1%} of all monetary. "
    assert description.startswith(told)
    assert description.endswith("Fitted as of 2024-07-01.")
    assert "monetary higher" in description
    assert "big spenders" in name
    assert action
    personas = shoppers.rows("select persona from customer_segments group by all")
    assert len(personas) == len(set(personas))


def test_maps_and_trees_are_of_the_model_in_force(shoppers: Build) -> None:
    ((points, customers, places),) = shoppers.passed().rows(
        "select count(*), count(customer_key), count(distinct (tsne_1, tsne_2)) from ("
        " select *, segments.customer_id as customer_key from models.cluster_map as map"
        " left join customer_segments as segments"
        " on map.customer_id = segments.customer_id and map.cluster_key = segments.cluster_key)"
    )
    assert points == customers == len({*shopper_orders()["customer_ref"]})
    assert places > 0.9 * points
    assert shoppers.rows(
        "select linkage, count(*), max(customers) from models.cluster_dendrogram"
        " group by 1 order by 1"
    ) == [(linkage, 29, points) for linkage in ("average", "complete", "ward")]
