"""Lifetime value through builds: the CDNOW sample as a shop, and a shop too young for figures."""

from __future__ import annotations

import functools
from datetime import date

import numpy as np
import pandas as pd
import pytest
from conftest import TWO_CUSTOMERS, VARS, Build, Workshop, scenario, some_marts
from rule_grammar_project import ROOT
from test_lifetime_value_sql import published

from customer_segmentation.fits.lifetime_value import fit_purchases, fit_spend

FITS = [date(1998, 2, 1), date(1998, 4, 1), date(1998, 7, 1)]
AS_OF = FITS[-1]
MARTS = "customer_value value_models value_calibration"
MARTS += " customer_records customer_segments segment_memberships segment_changes"
CDNOW_VARS = {
    "history_start": FITS[0].isoformat(),
    "as_of": AS_OF.isoformat(),
    "cluster_k": {"min": 3, "max": 3},
    "schemes": {
        **VARS["schemes"],
        # Not cut by the data, but by figures of a model all the same.
        "worth": {
            "segments": [
                {"segment": "much", "rule": {"metric": "expected_value", "at_least": 15}},
                {"segment": "little", "else": True},
            ]
        },
    },
    "rule_segments": {
        "gone": {"metric": "probability_alive", "at_most": 0.2},
        "keen": {"metric": "expected_purchases", "top_percent": 10},
    },
}


@functools.cache
def cdnow_orders() -> pd.DataFrame:
    """The sample, which has orders of 0 dollars, with returns and days of two orders."""
    rows = pd.read_csv(
        ROOT / "tests" / "python" / "data" / "cdnow_sample.txt",
        sep=r"\s+",
        names=["master", "customer", "day", "discs", "amount"],
        dtype={"day": str},
    )
    orders = pd.DataFrame(
        {
            "customer_ref": "c" + rows["customer"].astype(str),
            "ordered_at": pd.to_datetime(rows["day"], format="%Y%m%d") + pd.Timedelta(hours=12),
            "amount": rows["amount"],
        }
    )
    half = orders[::7].assign(amount=lambda of: (of["amount"] / 2).round(2))
    rest = orders[::7].assign(amount=orders["amount"][::7] - half["amount"])
    returned = orders[3::11].assign(amount=-orders["amount"][3::11])
    returned["ordered_at"] += pd.Timedelta(days=5)
    whole = orders.drop(orders.index[::7])
    every = pd.concat([whole, half, rest, returned[returned["amount"] < 0]], ignore_index=True)
    return every.assign(amount=every["amount"].round(2), order_id=range(len(every)), currency="USD")


@functools.cache
def histories(as_of: date) -> pd.DataFrame:
    """What the models know of each customer: days with money before as_of."""
    orders = cdnow_orders()
    paid = orders[(orders["amount"] > 0) & (orders["ordered_at"] < pd.Timestamp(as_of))]
    days = paid.assign(day=paid["ordered_at"].dt.normalize())
    days = days.groupby(["customer_ref", "day"])["amount"].sum().reset_index()
    first = days.groupby("customer_ref")["day"].transform("min")
    later = days[days["day"] > first].groupby("customer_ref")["amount"]
    found = days.groupby("customer_ref")["day"].agg(["min", "max"])
    found["x"] = later.size().reindex(found.index, fill_value=0)
    found["recency"] = (found["max"] - found["min"]).dt.days / 7
    found["age"] = (pd.Timestamp(as_of) - found["min"]).dt.days / 7
    found["spend"] = later.mean().reindex(found.index)
    return found


@scenario()
def cdnow_shop(workshop: Workshop) -> Build:
    """Five months of history, with refits of models at the quarters."""
    tables = {"orders": cdnow_orders()}
    return some_marts(workshop, MARTS, workshop.folder("cdnow"), tables, CDNOW_VARS).passed()


@scenario()
def young_shop(workshop: Workshop) -> Build:
    marts = "customer_value value_models value_calibration customer_segments"
    tables = {"orders.csv": TWO_CUSTOMERS}
    return some_marts(workshop, marts, workshop.folder("young"), tables).passed()


@pytest.mark.parametrize("as_of", FITS)
def test_models_are_fitted_on_all_buyers_of_their_date(cdnow_shop: Build, as_of: date) -> None:
    model = cdnow_shop.query("select * from value_models").set_index("fitted_as_of")
    got = model.loc[pd.Timestamp(as_of)]
    buyers = histories(as_of)
    back = buyers[buyers["x"] > 0]
    assert (got["buyers"], got["repeaters"]) == (len(buyers), len(back))
    assert got["status"] == ("in_force" if as_of == AS_OF else "retired")
    assert got["verdict"] == "ok"
    columns = [buyers[name].to_numpy(float) for name in ("x", "recency", "age")]
    wanted = fit_purchases(*columns, np.ones(len(buyers)))
    assert got[["r", "alpha", "a", "b"]].tolist() == pytest.approx(list(wanted.values())[:4], 1e-4)
    spent = fit_spend(back["x"].to_numpy(float), back["spend"].to_numpy(), np.ones(len(back)))
    # Spend is kept in cents.
    assert got[["p", "q", "v"]].tolist() == pytest.approx(list(spent.values()), rel=1e-3)
    assert got["correlation"] == pytest.approx(np.corrcoef(back["x"], back["spend"])[0, 1], 1e-4)


def customer_values(build: Build) -> pd.DataFrame:
    rows = build.query(
        "select r.customer_ref, v.*, s.value_outlook from customer_value as v"
        " inner join customer_records as r using (customer_id)"
        " inner join customer_segments as s using (customer_id)"
    )
    return rows.set_index("customer_ref").sort_index()


def test_every_customer_has_the_value_of_the_formulas(cdnow_shop: Build) -> None:
    got = customer_values(cdnow_shop)
    buyers = histories(AS_OF).sort_index()
    assert list(got.index) == list(buyers.index)
    model = cdnow_shop.query("select * from value_models order by fitted_as_of").iloc[-1]
    r, alpha, a, b = (model[name] for name in ("r", "alpha", "a", "b"))
    x, age, recency = buyers["x"], buyers["age"], buyers["recency"]
    odds = a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + recency)) ** (r + x)
    alive = np.where(x > 0, 1 / (1 + odds), 1.0)
    assert got["probability_alive"].to_numpy() == pytest.approx(alive, abs=6e-7)
    ends = [published(91.25 * n / 7, r, alpha, a, b, x, age) for n in range(5)]
    assert got["expected_purchases"].to_numpy() == pytest.approx(alive * ends[4], abs=6e-7)
    p, q, v = (model[name] for name in ("p", "q", "v"))
    total = (x * buyers["spend"].round(2)).fillna(0)
    spend = p * (v + total) / (p * x + q - 1)
    assert got["expected_spend"].to_numpy(float) == pytest.approx(spend.to_numpy(), abs=0.016)
    parts = [(ends[n] - ends[n - 1]) / 1.1 ** ((n - 0.5) / 4) for n in range(1, 5)]
    value = (alive * sum(parts) * spend).to_numpy()
    assert got["expected_value"].to_numpy(float) == pytest.approx(value, rel=1e-3, abs=0.011)


def test_deciles_and_outlook_follow_the_expected_value(cdnow_shop: Build) -> None:
    got = customer_values(cdnow_shop)
    value = got["expected_value"].astype(float)
    lower = value.rank(method="min") - 1
    assert got["decile"].tolist() == (1 + (10 * lower / len(value)).astype(int)).tolist()
    ranked = np.sort(value[value > 0])
    high, medium = (ranked[int(np.ceil(len(ranked) * share)) - 1] for share in (0.8, 0.5))
    wanted = np.where(value >= high, "high", np.where(value >= medium, "medium", "low"))
    assert got["value_outlook"].tolist() == wanted.tolist()
    outside = cdnow_shop.rows("select distinct value_outlook from customer_segments")
    assert {name for (name,) in outside} <= {"high", "medium", "low", "unknown", "prospect"}


def test_the_holdout_compares_what_came_with_what_was_predicted(cdnow_shop: Build) -> None:
    got = cdnow_shop.query("select * from value_calibration order by fitted_as_of, decile")
    assert sorted(set(got["fitted_as_of"].dt.date)) == FITS[:-1]
    model = cdnow_shop.query("select * from value_models order by fitted_as_of").iloc[0]
    then = histories(FITS[0])
    came = histories(AS_OF)["x"].reindex(then.index) - then["x"]
    r, alpha, a, b = (model[name] for name in ("r", "alpha", "a", "b"))
    x, age = then["x"], then["age"]
    odds = a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + then["recency"])) ** (r + x)
    days = (AS_OF - FITS[0]).days
    if_alive = published(days / 7, r, alpha, a, b, x, age)
    predicted = (np.where(x > 0, 1 / (1 + odds), 1.0) * if_alive).round(6)
    decile = 1 + (10 * (predicted.rank(method="min") - 1) / len(predicted)).astype(int)
    wanted = pd.DataFrame({"decile": decile, "predicted": predicted, "came": came})
    wanted = wanted.groupby("decile").agg(
        customers=("came", "size"), predicted=("predicted", "mean"), came=("came", "mean")
    )
    first = got[got["fitted_as_of"].dt.date == FITS[0]]
    assert set(first["holdout_days"]) == {days}
    assert first["decile"].tolist() == wanted.index.tolist()
    assert first["customers"].tolist() == wanted["customers"].tolist()
    assert first["predicted_purchases"].tolist() == pytest.approx(
        wanted["predicted"].tolist(), 1e-5
    )
    assert first["observed_purchases"].tolist() == pytest.approx(wanted["came"].tolist(), rel=1e-5)
    # As in the paper, the model is near the truth as a whole.
    assert predicted.sum() == pytest.approx(came.sum(), rel=0.2)


def test_rules_name_the_figures_as_metrics(cdnow_shop: Build) -> None:
    values = customer_values(cdnow_shop)
    members = cdnow_shop.query(
        "select r.customer_ref, m.segment_key from segment_memberships as m"
        " inner join customer_records as r using (customer_id) where m.scheme = 'rule'"
    ).groupby("segment_key")["customer_ref"]
    gone = values.index[values["probability_alive"] <= 0.2]
    assert sorted(members.get_group("rule:gone")) == sorted(gone)
    cut = np.sort(values["expected_purchases"])[int(np.ceil(len(values) * 0.9)) - 1]
    keen = values.index[values["expected_purchases"] >= cut]
    assert sorted(members.get_group("rule:keen")) == sorted(keen)


@pytest.mark.parametrize("scheme", ["value_outlook", "worth"])
def test_a_change_with_a_new_model_is_a_refit(cdnow_shop: Build, scheme: str) -> None:
    changes = cdnow_shop.query(
        "select changed_on, cause, count(*) as changes from segment_changes"
        f" where scheme = '{scheme}' and change = 'exited'"
        f" and segment_key <> '{scheme}:prospect' group by all"
    )
    at_refit = changes["changed_on"].dt.date.isin(FITS)
    assert set(changes[at_refit]["cause"]) == {"refit"}
    assert "behaviour" in set(changes[~at_refit]["cause"])


def test_a_young_shop_has_a_verdict_and_no_figures(young_shop: Build) -> None:
    rows = young_shop.query("select * from customer_value")
    assert len(rows) == 2
    assert set(rows["verdict"]) == {"too_few"}
    figures = ["expected_purchases", "probability_alive", "expected_spend", "expected_value"]
    assert rows[[*figures, "decile"]].isna().all(axis=None)
    (model,) = young_shop.rows("select verdict, repeaters, r, population_spend from value_models")
    assert model == ("too_few", 0, None, None)
    assert young_shop.rows("select * from value_calibration") == []
    outlook = young_shop.rows("select distinct value_outlook from customer_segments")
    assert outlook == [("unknown",)]
