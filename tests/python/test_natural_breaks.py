"""Natural breaks against the published example, an exhaustive search and awkward inputs.

Spend is cut by the logarithm.
"""

import datetime as dt
import itertools
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from customer_segmentation.fits.natural_breaks import (
    fit_natural_breaks,
    natural_cuts,
    spend_cuts,
)

pytestmark = pytest.mark.filterwarnings("error")

PUBLISHED = [1.3, 7.1, 7.3, 2.3, 3.9, 4.1, 7.8, 1.2, 4.3, 7.3, 5.0, 4.3]
AS_OF = dt.date(2018, 1, 1)
MONEY = st.decimals(-1_000, 10**9, places=2)


def frame(values, as_of=AS_OF):
    keys = range(1, len(values) + 1)
    return pd.DataFrame({"as_of": as_of, "customer_key": keys, "value": list(values)})


def test_published_example_has_the_published_breaks():
    assert natural_cuts(np.array(PUBLISHED), 3) == [2.3, 5.0]


def test_bands_of_spend_are_apart_by_ratio():
    """On the amounts themselves, the cuts would be 40 and 400."""
    spend = [1, 2, 3, 20, 30, 40, 300, 400, 4000]
    assert natural_cuts(np.array(spend, dtype=float), 3) == [40.0, 400.0]
    result = fit_natural_breaks(frame(spend), classes=3)
    assert result["cut_value"].tolist() == [3.0, 40.0]
    assert result["cut_number"].tolist() == [1, 2]
    assert result["status"].tolist() == ["ok", "ok"]


def test_all_that_earned_nothing_are_alike():
    result = fit_natural_breaks(frame([-500, -20, 0, 10, 10, 1000]), classes=4)
    assert result["cut_value"].tolist() == [0.0, 10.0]
    assert set(result["status"]) == {"few_values"}


@pytest.mark.parametrize("draw", ["lognormal", "pareto"])
def test_no_band_of_a_wholesaler_holds_nine_in_ten(draw):
    rng = np.random.default_rng(3)
    spend = 200 * (rng.lognormal(0, 2, 3000) if draw == "lognormal" else 1 + rng.pareto(0.9, 3000))
    bands = np.searchsorted(spend_cuts(spend, 5), np.round(spend, 2), side="left")
    shares = np.bincount(bands, minlength=5) / len(spend)
    assert shares.max() < 0.6
    assert shares.min() > 0.01
    by_amount = np.searchsorted(natural_cuts(spend, 5), spend, side="left")
    assert np.bincount(by_amount).max() > 0.9 * len(spend)


def test_each_as_of_has_its_own_breaks_in_date_order():
    early = dt.date(2017, 12, 1)
    sample = pd.concat([frame(PUBLISHED), frame([1, 2, 10], early)], ignore_index=True)
    result = fit_natural_breaks(sample, classes=3)
    assert result["as_of"].tolist() == [early, early, AS_OF, AS_OF]
    assert result["cut_value"].tolist() == [1.0, 2.0, 2.3, 5.0]


def test_fewer_values_than_classes_give_a_class_each():
    result = fit_natural_breaks(frame([10, 20, 20, 30, 10]), classes=5)
    assert result["cut_value"].tolist() == [10.0, 20.0]
    assert result["status"].tolist() == ["few_values", "few_values"]


def test_one_distinct_value_has_no_cut():
    assert len(fit_natural_breaks(frame([7, 7, 7]), classes=4)) == 0


def test_no_rows_give_an_empty_table_of_the_same_types():
    empty = pd.DataFrame({"as_of": [], "customer_key": [], "value": []})
    result = fit_natural_breaks(empty, classes=4)
    assert len(result) == 0
    assert list(result.columns) == ["as_of", "cut_number", "cut_value", "status"]
    full = fit_natural_breaks(frame(PUBLISHED), classes=3)
    assert result.dtypes.to_dict() == full.dtypes.to_dict()


def test_decimals_and_missing_values_are_understood():
    values = [Decimal(str(value)) for value in PUBLISHED]
    sample = frame([*values, None, pd.NA, np.nan, np.inf])
    expected = fit_natural_breaks(frame(PUBLISHED), classes=3)
    pd.testing.assert_frame_equal(fit_natural_breaks(sample, classes=3), expected)


def test_less_than_two_classes_are_refused():
    with pytest.raises(ValueError, match="classes is 1"):
        fit_natural_breaks(frame(PUBLISHED), classes=1)


def within(values, starts):
    """Sum of squared deviations from the class means."""
    parts = np.split(values, starts)
    return sum(float(((p - p.mean()) ** 2).sum()) for p in parts)


@examples(100)
@given(st.lists(st.integers(-500, 500_000), min_size=4, max_size=10), st.integers(2, 4))
def test_breaks_are_the_best_of_all_partitions(cents, classes):
    """Of the amounts, and of their logarithms."""
    amounts = np.sort(np.array(cents, dtype=float)) / 100
    logs = np.log1p(np.maximum(amounts, 0))
    for values, cuts in [
        (amounts, natural_cuts(amounts, classes)),
        (logs, spend_cuts(amounts, classes)),
    ]:
        if len(np.unique(values)) < classes:
            return
        every = itertools.combinations(range(1, len(values)), classes - 1)
        best = min(within(values, list(starts)) for starts in every)
        found = within(values, np.searchsorted(amounts, cuts, side="right"))
        assert found == pytest.approx(best, rel=1e-9, abs=1e-9)


@pytest.mark.check("properties")
@examples(100)
@given(st.lists(MONEY, max_size=40), st.integers(2, 6), st.randoms(use_true_random=False))
def test_cuts_are_given_values_in_order_whatever_the_row_order(values, classes, shuffle):
    sample = frame(values)
    order = list(range(len(sample)))
    shuffle.shuffle(order)
    result = fit_natural_breaks(sample, classes=classes)
    pd.testing.assert_frame_equal(fit_natural_breaks(sample.iloc[order], classes=classes), result)
    distinct = sorted({float(value) for value in values})
    cuts = result["cut_value"].tolist()
    assert cuts == sorted(set(cuts))
    assert set(cuts) <= set(distinct[:-1])
    # Amounts of up to a thousand millions differ in the ninth decimal of their logarithms.
    logs = {round(math.log1p(max(value, 0)), 9) for value in distinct}
    assert len(cuts) == max(0, min(classes, len(logs)) - 1)
    assert set(result["status"]) <= {"ok" if len(logs) >= classes else "few_values"}
