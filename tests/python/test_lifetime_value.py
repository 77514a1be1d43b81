"""BG/NBD and Gamma-Gamma: the published example, integrals of their definitions, bad input."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from examples import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from rule_grammar_project import ROOT
from scipy import integrate, optimize, stats

from customer_segmentation.fits.lifetime_value import (
    fit_lifetime_value,
    fit_purchases,
    fit_spend,
    purchase_likelihood,
    spend_likelihood,
)

pytestmark = pytest.mark.filterwarnings("error")

AS_OF = dt.date(2018, 1, 1)
HISTORY = ["repeat_days", "active_days", "age_days", "repeat_spend"]
Array = npt.NDArray[np.float64]


def grouped(buyers: pd.DataFrame, as_of: dt.date = AS_OF) -> pd.DataFrame:
    """The sample of the fit: one row per group of equal buyers."""
    counted = buyers.groupby(HISTORY, dropna=False).size().rename("buyers").reset_index()
    return counted.assign(as_of=as_of)


def found(sample: pd.DataFrame) -> dict[str, Any]:
    """The fit of one date: parameters by name, and verdict and why."""
    rows = fit_lifetime_value(sample)
    words = rows[rows["part"].isin(["verdict", "why"])].set_index("part")["name"].to_dict()
    numbers = rows[~rows["part"].isin(["verdict", "why"])].set_index("name")["value"].to_dict()
    if "frequency_and_spend" in numbers:
        numbers["correlation"] = numbers.pop("frequency_and_spend")
    return {**numbers, **words}


def invented(buyers: int, seed: int, correlation: float = 0.0, a: float = 0.8) -> pd.DataFrame:
    """Buyers who do as the models say: r .25, alpha 4.4 weeks, b 2.4, p 6, q 4, v 15."""
    rng = np.random.default_rng(seed)
    age = rng.integers(30, 700, buyers)
    rate, stop = rng.gamma(0.25, 1 / 4.4, buyers), rng.beta(a, 2.4, buyers)
    bought = rng.poisson(rate * age / 7)
    repeats = np.minimum(bought, rng.geometric(np.maximum(stop, 1e-6)))
    later = np.maximum(bought - repeats, 0) + 1
    active = np.round((age - 1) * rng.beta(np.maximum(repeats, 1), later)).astype(int)
    mean = 15 * (1 + correlation * repeats) / rng.gamma(4, 1, buyers)
    total = rng.gamma(6 * np.maximum(repeats, 1)) * mean
    return pd.DataFrame(
        {
            "repeat_days": repeats,
            "active_days": np.where(repeats > 0, active, 0),
            "age_days": age,
            "repeat_spend": np.where(
                repeats > 0, np.maximum(np.round(total / np.maximum(repeats, 1), 2), 0.01), np.nan
            ),
        }
    )


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    """Calibration by the literature's convention: days of 0 dollars count, to 30 September 1997."""
    rows = pd.read_csv(
        ROOT / "tests" / "python" / "data" / "cdnow_sample.txt",
        sep=r"\s+",
        names=["master", "customer", "day", "discs", "amount"],
    )
    rows["day"] = pd.to_datetime(rows["day"].astype(str), format="%Y%m%d")
    end = pd.Timestamp("1997-09-30")
    days = rows[rows["day"] <= end].groupby(["customer", "day"])["amount"].sum().reset_index()
    first = days.groupby("customer")["day"].transform("min")
    later = days[days["day"] > first].groupby("customer")
    summary = days.groupby("customer")["day"].agg(["min", "max"])
    return pd.DataFrame(
        {
            "repeat_days": later.size().reindex(summary.index, fill_value=0),
            "active_days": (summary["max"] - summary["min"]).dt.days,
            "age_days": (end - summary["min"]).dt.days,
            "repeat_spend": later["amount"].mean().reindex(summary.index),
        }
    )


def test_cdnow_is_the_published_sample(cdnow: pd.DataFrame) -> None:
    assert len(cdnow) == 2357
    assert (cdnow["repeat_days"] > 0).sum() == 946
    assert cdnow["repeat_days"].sum() == 2457
    assert round(cdnow["active_days"].sum() / 7, 2) == 16135.57
    assert round(cdnow["age_days"].sum() / 7, 2) == 77111.29


def test_purchases_of_cdnow_have_the_published_parameters(cdnow: pd.DataFrame) -> None:
    got = found(grouped(cdnow.assign(repeat_spend=cdnow["repeat_spend"].clip(lower=0.01))))
    # The surface is flat in a and b: implementations differ in the fourth digit.
    published = {"r": 0.2426, "alpha": 4.4136, "a": 0.7930, "b": 2.4261}
    assert {name: got[name] for name in published} == pytest.approx(published, abs=2e-4)
    assert got["log_likelihood"] == -9582.43
    assert (got["buyers"], got["repeaters"], got["verdict"]) == (2357, 946, "ok")
    assert got["correlation"] == pytest.approx(0.1139, abs=1e-3)


def test_spend_of_cdnow_has_the_published_parameters(cdnow: pd.DataFrame) -> None:
    paying = cdnow[cdnow["repeat_spend"] > 0]
    x, m = paying["repeat_days"].to_numpy(float), paying["repeat_spend"].to_numpy(float)
    got = fit_spend(x, m, np.ones(len(x)))
    assert got is not None
    assert got == pytest.approx({"p": 6.25, "q": 3.74, "v": 15.44}, abs=0.01)
    assert round(got["p"] * got["v"] / (got["q"] - 1), 2) == 35.17


def test_planted_parameters_are_found() -> None:
    got = found(grouped(invented(200_000, 1)))
    planted = {"r": 0.25, "alpha": 4.4, "a": 0.8, "b": 2.4, "p": 6, "q": 4, "v": 15}
    assert {name: got[name] for name in planted} == pytest.approx(planted, rel=0.06)
    assert got["population"] == pytest.approx(6 * 15 / 3, rel=0.02)


@pytest.mark.slow
def test_a_million_buyers_are_fitted_in_half_a_minute() -> None:
    sample = grouped(invented(1_000_000, 2))
    started = time.perf_counter()
    got = found(sample)
    assert time.perf_counter() - started < 30
    assert got["verdict"] == "ok"


# --- The likelihoods ------------------------------------------------------------------------

logs = st.lists(st.floats(-2.5, 2.5), min_size=4, max_size=4)
BUYERS = {
    "repeats": np.array([0.0, 0.0, 1.0, 3.0, 40.0]),
    "recency": np.array([0.0, 0.0, 2.0, 30.0, 51.0]),
    "age": np.array([1.0, 70.0, 40.0, 31.0, 52.0]),
}


@pytest.mark.parametrize("buyer", range(5))
def test_the_likelihood_of_purchases_is_the_integral_of_its_definition(buyer: int) -> None:
    r, alpha, a, b = 0.7, 4.4, 0.8, 2.4
    x, recency, age = (BUYERS[name][buyer] for name in ("repeats", "recency", "age"))

    def mean_rate(until: float) -> float:
        """Mean over buyers of rate^x exp(-rate * until)."""
        by_rate = stats.gamma(r + x, scale=1 / (alpha + until))
        whole, _ = integrate.quad(by_rate.pdf, 0, by_rate.ppf(1 - 1e-14), limit=200)
        assert whole == pytest.approx(1, rel=1e-6)
        # Gamma densities differ by a constant: that of a rate of 1 gives it.
        one = stats.gamma(r, scale=1 / alpha).pdf(1) * np.exp(-until) / by_rate.pdf(1)
        return float(one * whole)

    def mean_stop(power: float, stays: float) -> float:
        """Mean over buyers of stop^power (1 - stop)^stays."""
        beta = stats.beta(a, b)
        return float(
            integrate.quad(
                lambda q: beta.ppf(q) ** power * (1 - beta.ppf(q)) ** stays, 0, 1, limit=400
            )[0]
        )

    alive = mean_stop(0, x) * mean_rate(age)
    gone = mean_stop(1, x - 1) * mean_rate(recency) if x else 0.0
    one = (np.array([x]), np.array([recency]), np.array([age]), np.ones(1))
    value, _ = purchase_likelihood(np.log([r, alpha, a, b]), *one)
    assert value == pytest.approx(np.log(alive + gone), rel=1e-5)


@pytest.mark.parametrize(("purchases", "mean"), [(1.0, 35.0), (7.0, 3.5), (60.0, 240.0)])
def test_the_likelihood_of_spend_is_the_integral_of_its_definition(
    purchases: float, mean: float
) -> None:
    p, q, v = 6.25, 3.74, 15.44

    def density(rate: float) -> float:
        own = stats.gamma(p * purchases, scale=1 / (rate * purchases)).pdf(mean)
        return float(own * stats.gamma(q, scale=1 / v).pdf(rate))

    peak = p / mean
    area, _ = integrate.quad(density, 0, 60 * peak, points=[peak / 3, peak, 3 * peak], limit=500)
    one = (np.array([purchases]), np.array([mean]), np.ones(1))
    value, _ = spend_likelihood(np.log([p, q, v]), *one)
    assert value == pytest.approx(np.log(area), rel=1e-6)


@examples(60)
@given(logs)
def test_slopes_are_those_of_the_likelihoods(point: list[float]) -> None:
    weight = np.array([5.0, 1.0, 2.0, 1.0, 3.0])
    purchases = (BUYERS["repeats"], BUYERS["recency"], BUYERS["age"], weight)
    spends = (np.array([1.0, 3.0, 40.0]), np.array([10.0, 4.0, 70.0]), weight[:3])
    for likelihood, data, size in (
        (purchase_likelihood, purchases, 4),
        (spend_likelihood, spends, 3),
    ):
        place = np.array(point[:size])
        _, slope = likelihood(place, *data)
        measured = optimize.approx_fprime(place, lambda at, f=likelihood, d=data: f(at, *d)[0])
        assert slope == pytest.approx(measured, rel=1e-3, abs=1e-3)


# --- What must hold -------------------------------------------------------------------------

crowds = st.builds(invented, st.integers(900, 2500), st.integers(0, 10**6))


@examples(12)
@given(crowds, st.sampled_from([0.01, 7, 1000]), st.integers(0, 10**6))
def test_the_fit_follows_currency_and_no_order_of_rows(
    crowd: pd.DataFrame, factor: float, seed: int
) -> None:
    one = found(grouped(crowd))
    assume(one["verdict"] == "ok")
    # A buyer a row instead of groups, in any order.
    single = crowd.assign(buyers=1, as_of=AS_OF).sample(frac=1, random_state=seed)
    assert found(single) == pytest.approx(one)
    dear = found(grouped(crowd.assign(repeat_spend=crowd["repeat_spend"] * factor)))
    assert dear["v"] == pytest.approx(one["v"] * factor, rel=1e-4)
    assert dear["population"] == pytest.approx(one["population"] * factor, rel=1e-3, abs=0.01)
    same = ["r", "alpha", "a", "b", "p", "q", "correlation"]
    assert [dear[name] for name in same] == pytest.approx([one[name] for name in same], rel=1e-4)


@examples(12)
@given(crowds)
def test_no_other_parameters_are_likelier(crowd: pd.DataFrame) -> None:
    got = found(grouped(crowd))
    assume(got["verdict"] == "ok")
    columns = [crowd[name].to_numpy(float) for name in HISTORY[:3]]
    data = (columns[0], columns[1] / 7, columns[2] / 7, np.ones(len(crowd)))
    best = np.log([got[name] for name in ("r", "alpha", "a", "b")])
    top, _ = purchase_likelihood(best, *data)
    assert top == pytest.approx(got["log_likelihood"], abs=0.01)
    others = optimize.minimize(
        lambda at: -purchase_likelihood(at, *data)[0], best + 0.3, method="Nelder-Mead"
    )
    assert top >= -others.fun - 1e-4


def test_dates_are_fitted_apart() -> None:
    first, second = invented(1500, 3), invented(1500, 4)
    dates = [grouped(first, dt.date(2017, 1, 1)), grouped(second, dt.date(2018, 1, 1))]
    both = fit_lifetime_value(pd.concat(dates[::-1]))
    apart = pd.concat([fit_lifetime_value(sample) for sample in dates], ignore_index=True)
    pd.testing.assert_frame_equal(both, apart)


# --- Where there are no figures --------------------------------------------------------------


def repeaters(count: int, **columns: Any) -> pd.DataFrame:
    """As many buyers of two repeat days, and as many who bought once."""
    rng = np.random.default_rng(5)
    back = pd.DataFrame(
        {
            "repeat_days": 2,
            "active_days": rng.integers(5, 60, count),
            "age_days": rng.integers(60, 200, count),
            "repeat_spend": rng.gamma(3, 10, count).round(2) + 0.01,
        }
    ).assign(**columns)
    once = back.assign(repeat_days=0, active_days=0, repeat_spend=np.nan)
    return pd.concat([back, once])


@pytest.mark.parametrize("count", [1, 99])
def test_few_repeaters_get_no_parameters(count: int) -> None:
    got = found(grouped(repeaters(count)))
    assert got == {
        "buyers": 2 * count,
        "repeaters": count,
        "verdict": "too_few",
        "why": f"{count} of the buyers came back; the models need at least 100.",
    }


def test_no_repeater_is_too_few() -> None:
    buyers = repeaters(500)
    got = found(grouped(buyers[buyers["repeat_days"] == 0]))
    assert (got["buyers"], got["repeaters"], got["verdict"]) == (500, 0, "too_few")


def test_no_buyer_is_no_row() -> None:
    rows = fit_lifetime_value(grouped(invented(10, 6)).head(0))
    assert rows.empty
    assert list(rows.columns) == ["as_of", "part", "name", "number", "feature", "value"]


def test_purchases_without_an_end_have_no_maximum() -> None:
    """All buy to the last day, so the probability to stop goes to 0."""
    buyers = invented(3000, 7, a=1e-9)
    buyers["active_days"] = np.where(buyers["repeat_days"] > 0, buyers["age_days"] - 1, 0)
    got = found(grouped(buyers))
    assert got["verdict"] == "no_maximum"
    assert not {"r", "alpha", "a", "b", "p", "q", "v", "population"} & set(got)


def test_equal_spend_is_expected_of_all() -> None:
    buyers = invented(3000, 8)
    buyers["repeat_spend"] = np.where(buyers["repeat_days"] > 0, 20.0, np.nan)
    got = found(grouped(buyers))
    assert got["verdict"] == "population_spend"
    assert got["population"] == 20.0
    assert "no maximum" in got["why"]
    assert not {"correlation", "p", "q", "v"} & set(got)


def test_spend_that_grows_with_frequency_is_the_mean_purchase_of_all() -> None:
    buyers = invented(3000, 9, correlation=1.0)
    got = found(grouped(buyers))
    assert got["verdict"] == "population_spend"
    assert got["correlation"] > 0.3
    assert f"{got['correlation']:.2f}" in got["why"]
    total = (buyers["repeat_days"] * buyers["repeat_spend"]).sum()
    assert got["population"] == pytest.approx(total / buyers["repeat_days"].sum(), abs=0.01)
    assert not {"p", "q", "v"} & set(got)
    assert got["r"] > 0


def test_a_spend_without_a_finite_mean_is_not_used() -> None:
    """The mean of the means does not exist where q is below 1."""
    rng = np.random.default_rng(10)
    x = rng.integers(1, 9, 4000).astype(float)
    m = rng.gamma(6 * x) / x * 15 / rng.gamma(0.7, 1, 4000)
    assert fit_spend(x, m, np.ones(4000)) is None


def test_one_purchase_for_all_has_no_parameters() -> None:
    same = np.ones(200)
    assert fit_purchases(same, same * 3, same * 9, same) is None
