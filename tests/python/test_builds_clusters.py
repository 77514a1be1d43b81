"""Clusters through a whole build: assignment in SQL, keys over refits, registry and personas."""

from __future__ import annotations

import functools
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, Build, Workshop, scenario
from sklearn.metrics import adjusted_rand_score
from test_cluster_fits import assigned, planted_sessions

pytestmark = pytest.mark.slow

DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
SHOPPERS_VARS = {
    "history_start": "2024-01-01",
    "as_of": "2024-07-01",
    "cluster_k": {"min": 2, "max": 5},
    "rule_segments": {},
    "journey_features": DEFAULTS["journey_features"],
}
SCHEMES = ["cluster", "journeys"]
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
def shopper_kinds() -> dict[str, str]:
    """The kind of journeys of each customer who has any: sixty of each kind, of all groups."""
    visitors = sorted({*shopper_orders()["customer_ref"]})
    visitors = [visitor for visitor in visitors if not visitor.startswith("odd")][:180]
    kinds = ["decided", "leaver", "browser"]
    return {visitor: kinds[number % 3] for number, visitor in enumerate(visitors)}


@functools.cache
def shopper_events() -> pd.DataFrame:
    """Their sessions, one a month; each names the customer."""
    visitors: dict[str, list[str]] = {}
    for visitor, kind in shopper_kinds().items():
        visitors.setdefault(kind, []).append(visitor)
    rows = []
    for kind, customer, session, way in planted_sessions(sessions=12):
        visitor = visitors[kind][int(customer.split("-")[1])]
        begins = pd.Timestamp("2023-07-15 10:00") + pd.DateOffset(months=session)
        for number, event_type in enumerate(way):
            at = begins + pd.Timedelta(minutes=number)
            rows.append((visitor, f"{visitor}-{session}", event_type, at))
    events = pd.DataFrame(rows, columns=["customer_ref", "session_id", "event_type", "occurred_at"])
    events["event_id"] = [str(number) for number in range(len(events))]
    return events


@functools.cache
def working(build: Build) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(build.passed().folder / "warehouse" / "trial.duckdb"), read_only=True)


@scenario()
def shoppers(workshop: Workshop) -> Build:
    """Four planted groups over three quarters, with outliers; as_of is a refit date.

    Three planted kinds of journeys go across the groups.
    """
    tables = {"orders": shopper_orders(), "events": shopper_events()}
    return workshop.build(workshop.folder("shoppers"), tables, SHOPPERS_VARS)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_sql_assigns_as_the_long_table_says(shoppers: Build, scheme: str) -> None:
    connection = working(shoppers)
    fit = connection.sql("from scores.int_segmentation__cluster_fit").df()
    fit = fit[fit["scheme"] == scheme]
    fit["as_of"] = pd.to_datetime(fit["as_of"]).dt.date
    shares = [f"{f['column']} as {f['name']}" for f in DEFAULTS["journey_features"]]
    found = connection.sql(
        f"""
        select
            clusters.fitted_as_of,
            clusters.cluster_key,
            ln(1 + features.recency_days__all) as recency_days,
            ln(1 + features.orders__all) as frequency,
            ln(1 + features.revenue__all::double) as monetary,
            {", ".join(shares)}
        from scores.int_segmentation__clusters as clusters
        inner join features.int_features__customers_measured as features using (as_of, customer_key)
        where clusters.scheme = '{scheme}'
        """
    ).df()
    fitted_as_of = pd.to_datetime(found["fitted_as_of"]).dt.date
    assert sorted(set(fitted_as_of)) == FITS
    for fitted in FITS:
        then = found[fitted_as_of == fitted]
        np.testing.assert_array_equal(then["cluster_key"], assigned(fit, fitted, then))
    assert ("outlier" in set(found["cluster_key"])) or scheme == "journeys"


def test_planted_groups_are_found_again(shoppers: Build) -> None:
    rows = shoppers.passed().rows(
        "select split_part(customer_ref, '-', 1), cluster_key"
        " from customer_records join customer_segments using (customer_id)"
    )
    groups, keys = zip(*rows, strict=True)
    assert adjusted_rand_score(groups, keys) >= 0.9


def test_planted_journeys_are_found_again(shoppers: Build) -> None:
    """In whatever group they are; who has no event is in no cluster of them."""
    rows = shoppers.passed().rows(
        "select customer_ref, journey_key, journey_persona"
        " from customer_records join customer_segments using (customer_id)"
    )
    kinds = shopper_kinds()
    in_scheme = {ref: key for ref, key, _ in rows if key is not None}
    assert in_scheme.keys() == kinds.keys()
    assert adjusted_rand_score([kinds[ref] for ref in in_scheme], [*in_scheme.values()]) >= 0.9
    assert {name for _, key, name in rows if key == in_scheme["gone-0"]} != {None}
    assert shoppers.rows(
        "select count(*), count(distinct customer_id) from segment_memberships"
        " where scheme = 'journeys'"
    ) == [(len(kinds), len(kinds))]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_registry_tells_what_is_in_force_and_what_was(shoppers: Build, scheme: str) -> None:
    of_scheme = f"where scheme = '{scheme}'"
    models = shoppers.passed().query(
        f"from models.cluster_models {of_scheme} order by status, fitted_as_of"
    )
    fitted = models[models["status"] != "candidate"]
    assert fitted["status"].tolist() == ["in_force", "retired", "retired"]
    assert fitted["selected_as_of"].nunique() == 1
    assert fitted["k"].nunique() == 1
    assert (fitted["silhouette"] > fitted["simulated_silhouette"]).all()
    selection = shoppers.query(f"from models.cluster_selection {of_scheme}")
    assert set(models.query("status == 'candidate'")["model_id"]) == set(
        selection.loc[~selection["chosen"], "model_id"]
    )
    assert selection["chosen"].sum() == 1
    of_kmeans = selection["algorithm"] == "kmeans"
    for index in ("gap", "stability", "simulated_silhouette", "is_elbow"):
        assert (selection[index].notna() == of_kmeans).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_lineage_accounts_for_all_customers(shoppers: Build, scheme: str) -> None:
    lineage = shoppers.passed().query(
        "select fitted_as_of::varchar as day, * from models.cluster_lineage"
        f" where scheme = '{scheme}'"
    )
    assert sorted(set(lineage["day"])) == [str(day) for day in FITS[1:]]
    sizes = dict(
        shoppers.rows(
            "select fitted_as_of::varchar, sampled_customers from models.cluster_models"
            f" where status <> 'candidate' and scheme = '{scheme}'"
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
    told = f"{customers} of {total} customers ({share}) with {revenue_share:.1%} of all revenue. "
    assert description.startswith(told)
    assert description.endswith("Fitted as of 2024-07-01.")
    assert "median revenue" in description
    assert "big spenders" in name
    assert action == "Thank them and offer early access"
    personas = shoppers.rows("select persona from customer_segments group by all")
    assert len(personas) == len(set(personas))


def test_actions_follow_the_two_strongest_traits_and_a_silence_first(shoppers: Build) -> None:
    """Customers who are gone get a reminder, whatever else they are."""
    rows = shoppers.passed().rows(
        "select split_part(customer_ref, '-', 1), segments.name, recommended_action, offer"
        " from customer_records join customer_segments using (customer_id)"
        " join segments on segments.segment_key = 'cluster:' || cluster_key"
        " where cluster_key <> 'outlier' group by all order by count(*) desc"
    )
    cards = {group: card for group, *card in reversed(rows)}
    assert "Quiet" in cards["gone"][0]
    assert cards["gone"][1:] == ["Send one low-cost reminder", "seasonal offer"]
    assert cards["heavy"][1] == "Thank them and offer early access"
    assert cards["small"][1] == "Reward them for coming back and ask for reviews"
    assert cards["seldom"][1] == "Give them a reason for the next purchase"


@pytest.mark.parametrize(("scheme", "key"), [("cluster", "cluster"), ("journeys", "journey")])
def test_maps_and_trees_are_of_the_model_in_force(shoppers: Build, scheme: str, key: str) -> None:
    of_scheme = f"where scheme = '{scheme}'"
    ((points, customers, places),) = shoppers.passed().rows(
        "select count(*), count(customer_key), count(distinct (tsne_1, tsne_2)) from ("
        " select *, segments.customer_id as customer_key"
        f" from (from models.cluster_map {of_scheme}) as map"
        " left join customer_segments as segments"
        f" on map.customer_id = segments.customer_id and map.cluster_key = segments.{key}_key)"
    )
    members = {*shopper_orders()["customer_ref"]} if scheme == "cluster" else shopper_kinds()
    assert points == customers == len(members)
    assert places > 0.9 * points
    assert shoppers.rows(
        f"select linkage, count(*), max(customers) from models.cluster_dendrogram {of_scheme}"
        " group by 1 order by 1"
    ) == [(linkage, 29, points) for linkage in ("average", "complete", "ward")]
