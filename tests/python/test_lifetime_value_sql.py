"""Expected purchases, probability alive and value in SQL, against their formulas in Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import ROOT, GrammarProject
from scipy.special import hyp2f1

AS_OF = date(2018, 1, 1)
CDNOW = {"r": 0.242595, "alpha": 4.4136, "a": 0.792922, "b": 2.42591}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44, "population_spend": 35.17}
TABLES = {
    "int_periods": "as_of date, models_fitted_as_of date, is_built boolean, is_current boolean",
    "int_value__models": "fitted_as_of date, r double, alpha double, a double, b double, p double,"
    " q double, v double, population_spend decimal(18, 2), verdict varchar",
    "int_value__purchase_histories": "as_of date, customer_key bigint, repeat_days bigint,"
    " active_days bigint, age_days bigint, repeat_spend decimal(18, 2)",
}
MODELS = ("int_value__expected_purchases", "int_value__lifetime_values")


class Shop:
    """Both models on buyers as of AS_OF."""

    def __init__(self, project: GrammarProject) -> None:
        self.sql: dict[tuple[str, float], str] = {}
        self.project = project

    def rendered(self, model: str, discount: float) -> str:
        if (model, discount) not in self.sql:
            text = (ROOT / "models" / "value" / f"{model}.sql").read_text(encoding="utf-8")
            self.sql[model, discount] = self.project.render(text, {"annual_discount": discount})
        return self.sql[model, discount]

    def valued(
        self,
        buyers: list[tuple[int, int, int]],
        shapes: Sequence[Mapping[str, float | None]] = (CDNOW,),
        spends: Sequence[float] = (20.0,),
        discount: float = 0.1,
        verdict: str = "ok",
    ) -> pd.DataFrame:
        """One row per shape of BG/NBD and buyer (repeat days, active days, age in days), in order.

        Each shape is in force at a date of its own. Spends are repeated as often as it takes.
        """
        dates = [AS_OF + timedelta(days) for days in range(len(shapes))]
        models = pd.DataFrame([{**shape, **SPEND} for shape in shapes])
        models = models.assign(fitted_as_of=dates, verdict=verdict)
        periods = pd.DataFrame({"as_of": dates, "models_fitted_as_of": dates, "is_built": True})
        rows = pd.DataFrame(buyers, columns=["repeat_days", "active_days", "age_days"])
        rows["customer_key"] = range(len(rows))
        rows["repeat_spend"] = [spends[number % len(spends)] for number in range(len(rows))]
        rows.loc[rows["repeat_days"] == 0, "repeat_spend"] = None
        with duckdb.connect() as connection:
            for table, columns in TABLES.items():
                connection.execute(f"create table {table} ({columns})")
            for table, frame in (
                ("int_value__models", models),
                ("int_periods", periods),
                ("int_value__purchase_histories", rows.merge(periods[["as_of"]], how="cross")),
            ):
                connection.register("frame", frame)
                connection.execute(f"insert into {table} by name from frame")
            for model in MODELS:
                connection.execute(f"create table {model} as {self.rendered(model, discount)}")
            return connection.execute(
                "select * from int_value__lifetime_values"
                " left join int_value__expected_purchases using (as_of, repeat_days, age_days)"
                " order by as_of, customer_key"
            ).df()


@pytest.fixture(scope="module")
def shop(project: GrammarProject) -> Shop:
    return Shop(project)


def published(weeks: float, r: float, alpha: float, a: float, b: float, x: int, age: float) -> Any:
    """Equation 10 of the paper, of a buyer who has not stopped."""
    series = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
    shrunk = ((alpha + age) / (alpha + age + weeks)) ** (r + x)
    return (a + b + x - 1) / (a - 1) * (1 - shrunk * series)


def counted(weeks: float, r: float, alpha: float, a: float, b: float, x: int, age: float) -> float:
    """The same as a sum of positive terms, which is exact for any buyer.

    The kth term is the chance of k purchases or more of a buyer who never stops, times that of not
    stopping before the kth.
    """
    shape, rate, stays = r + x, alpha + age, b + x
    mean = shape * weeks / rate
    terms = int(mean + 15 * math.sqrt(mean * (1 + weeks / rate)) + 60 * (1 + weeks / rate) + 200)
    k = np.arange(terms, dtype=float)
    ratios = np.log((shape + k[:-1]) / (k[:-1] + 1) * weeks / (rate + weeks))
    logs = np.concatenate([[0.0], np.cumsum(ratios)]) + shape * math.log(rate / (rate + weeks))
    at_least = np.cumsum(np.exp(logs)[::-1])[::-1][1:]
    goes_on = np.concatenate([[0.0], np.cumsum(np.log1p(-a / (a + stays + k[:-2])))])
    return math.fsum(at_least * np.exp(goes_on))


def test_cdnow_has_the_published_expectation(shop: Shop) -> None:
    """E[Y(39) | x=2, t_x=30.43, T=38.86] is 1.2259, and P(alive) .7266."""
    buyer = shop.valued([(2, 213, 272)])
    assert round(buyer["probability_alive"].item(), 4) == 0.7266
    assert published(39, **CDNOW, x=2, age=272 / 7) * 0.7266 == pytest.approx(1.2259, abs=1e-4)
    year = published(365 / 7, **CDNOW, x=2, age=272 / 7)
    assert buyer["quarter_4"].item() == pytest.approx(year, rel=1e-9)


SHAPES = [
    (r, alpha, a, b)
    for r in (0.05, 0.242595, 1.4, 20.0)
    for alpha in (0.3, 4.4136, 60.0)
    for a, b in itertools.product((0.001, 0.04, 0.79, 1.0, 8.0, 900.0), (0.05, 2.4, 40.0, 8000.0))
]


@pytest.mark.parametrize("x", [0, 1, 7, 100, 5000])
def test_expected_purchases_are_those_of_the_exact_sum(shop: Shop, x: int) -> None:
    """Up to the largest buyer of a wholesaler, and where the formula divides by 0 (a = 1)."""
    ages = [1, 28, 272, 2100] if x < 1000 else [272, 2100]
    shapes = [dict(zip(CDNOW, shape, strict=True)) for shape in SHAPES[x % 3 :: 3]]
    got = shop.valued([(x, 0, age) for age in ages], shapes)
    worst = 0.0
    for row, (shape, age) in zip(got.itertuples(), itertools.product(shapes, ages), strict=True):
        for weeks, value in ((91.25 / 7, row.quarter_1), (365 / 7, row.quarter_4)):
            exact = counted(weeks, **shape, x=x, age=age / 7)
            # Nine decimals are kept, so a small number has fewer digits.
            worst = max(worst, (abs(value - exact) - 6e-10) / exact)
    assert worst < 1e-9


@pytest.mark.parametrize("x", [0, 1, 2, 12])
def test_the_exact_sum_is_the_published_formula(x: int) -> None:
    for age in (1, 10, 60):
        assert counted(39, **CDNOW, x=x, age=age) == pytest.approx(
            published(39, **CDNOW, x=x, age=age), rel=1e-9
        )


def test_purchases_since_a_refit_are_predicted_but_at_the_newest_date(shop: Shop) -> None:
    got = shop.valued([(2, 213, 272)], [CDNOW] * 40)
    assert got["holdout"].isna().tolist() == [False] * 39 + [True]
    for days, value in zip(range(39, 0, -1), got["holdout"], strict=False):
        assert value == pytest.approx(published(days / 7, **CDNOW, x=2, age=272 / 7), abs=1e-9)


histories = st.tuples(st.integers(1, 400), st.integers(0, 800), st.integers(1, 400)).map(
    lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2])
)


@examples(25)
@given(st.lists(histories, min_size=1, max_size=15))
def test_a_later_last_purchase_makes_a_buyer_likelier_alive(
    shop: Shop, buyers: list[tuple[int, int, int]]
) -> None:
    later = [(x, min(active + 1, age - 1), age) for x, active, age in buyers]
    once = [(0, 0, age) for _, _, age in buyers]
    got = shop.valued(buyers + later + once)["probability_alive"].to_numpy()
    first, second, third = np.split(got, 3)
    assert ((first >= 0) & (first <= 1)).all()
    assert (second >= first).all()
    # A buyer stops only after a repeat purchase.
    assert (third == 1).all()


@examples(25)
@given(st.lists(histories, min_size=1, max_size=15), st.sampled_from([0.0, 0.1, 1.0]))
def test_value_is_expected_purchases_times_spend_discounted(
    shop: Shop, buyers: list[tuple[int, int, int]], discount: float
) -> None:
    got = shop.valued(buyers, discount=discount)
    alive = got["probability_alive"]
    assert (got["expected_purchases"] - alive * got["quarter_4"]).abs().max() < 1e-5 * (
        1 + got["quarter_4"].max()
    )
    assert (got["quarter_1"] < got["quarter_4"]).all()
    x = got["repeat_days"]
    p, q, v = SPEND["p"], SPEND["q"], SPEND["v"]
    assert got["expected_spend"].to_numpy() == pytest.approx(
        (p * (v + x * 20) / (p * x + q - 1)).to_numpy(), abs=0.006
    )
    whole = got["expected_purchases"] * got["expected_spend"]
    share = got["expected_value"][whole > 1] / whole[whole > 1]
    if discount == 0:
        assert share.to_numpy() == pytest.approx(1, abs=0.02)
    else:
        # Between all of it at the end of the year and all of it at the start.
        assert ((share > 1 / (1 + discount) - 0.02) & (share < 1)).all()


def test_each_quarter_is_discounted_from_its_middle(shop: Shop) -> None:
    got = shop.valued([(12, 200, 272)], discount=0.1).iloc[0]
    ends = [published(91.25 * n / 7, **CDNOW, x=12, age=272 / 7) for n in range(5)]
    parts = [(ends[n] - ends[n - 1]) / 1.1 ** ((n - 0.5) / 4) for n in range(1, 5)]
    spend = 6.25 * (15.44 + 12 * 20) / (6.25 * 12 + 2.74)
    alive = 1 / (1 + 0.792922 / 13.42591 * ((4.4136 + 272 / 7) / (4.4136 + 200 / 7)) ** 12.242595)
    assert float(got["expected_value"]) == pytest.approx(alive * sum(parts) * spend, abs=0.006)


def test_one_purchase_is_expected_to_be_that_of_the_population(shop: Shop) -> None:
    got = shop.valued([(0, 0, 30), (0, 0, 900)])
    assert got["expected_spend"].tolist() == [35.22, 35.22] == [round(6.25 * 15.44 / 2.74, 2)] * 2


def test_without_gamma_gamma_everyone_spends_what_the_population_does(shop: Shop) -> None:
    got = shop.valued([(0, 0, 30), (9, 90, 100)], spends=[0, 500], verdict="population_spend")
    assert got["expected_spend"].tolist() == [35.17, 35.17]
    assert (got["expected_value"] > 0).all()


@pytest.mark.parametrize("verdict", ["too_few", "no_maximum"])
def test_without_parameters_there_are_no_figures(shop: Shop, verdict: str) -> None:
    got = shop.valued([(0, 0, 30), (9, 90, 100)], [dict.fromkeys(CDNOW)], verdict=verdict)
    figures = ["probability_alive", "expected_purchases", "expected_value"]
    assert got[figures].isna().all(axis=None)
    assert len(got) == 2
