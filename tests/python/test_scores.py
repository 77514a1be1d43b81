"""Do the scores rank and value customers as a marketer would? Real and planted orders."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import test_behaviour
from behaviour_oracle import Behaviour, Row
from rule_grammar_project import ROOT, GrammarProject
from sklearn.metrics import roc_auc_score
from test_behaviour import Built

AS_OF = date(2024, 6, 1)
HORIZON = timedelta(days=90)


@pytest.fixture(scope="module", autouse=True)
def _project(project: GrammarProject) -> None:
    test_behaviour._projects.append(project)


def shop(orders: dict[int, list[date]], tier: dict[int, str] | None = None) -> Behaviour:
    """A shop of which nothing but orders, and perhaps tiers, is known."""
    rows: list[Row] = [
        {
            "order_id": f"{customer}-{number}",
            "source_system": "web",
            "customer_ref": str(customer),
            "ordered_at": datetime(day.year, day.month, day.day, 17, tzinfo=UTC),
            "amount": Decimal(20),
            "status": "completed",
        }
        for customer, days in orders.items()
        for number, day in enumerate(days)
    ]
    customer_of = {("web", str(customer)): customer for customer in orders}
    return Behaviour([], [], rows, [], {}, customer_of, tier=tier or {})


def days_ago(*days: int) -> list[date]:
    return [AS_OF - timedelta(days=number) for number in days]


def scored(orders: dict[int, list[date]], tier: dict[int, str] | None = None) -> dict[int, Row]:
    return Built(shop(orders, tier), [AS_OF]).at(AS_OF)


# --- Churn risk ----------------------------------------------------------------------------------

# All of its customers bought for the first time before 26 March 1997.
CUTOFFS = [date(1997, 3, 26), *(date(1997, month, 1) for month in range(5, 13))]
CUTOFFS += [date(1998, month, 1) for month in range(1, 5)]


@pytest.fixture(scope="module")
def cdnow() -> pd.DataFrame:
    """One row per cut-off and customer of CDNOW, with `stays_away` for the 90 days after it."""
    file = ROOT / "tests" / "python" / "data" / "cdnow_sample.txt"
    names = ["master", "customer", "day", "discs", "dollars"]
    orders = pd.read_csv(file, sep=r"\s+", names=names, dtype={"day": str})
    orders["day"] = pd.to_datetime(orders.day).dt.date
    by_customer = {int(str(key)): list(own) for key, own in orders.groupby("customer").day}
    built = Built(shop(by_customer), CUTOFFS)
    rows = pd.DataFrame([row for row in built.features if row["is_buyer"]])
    rows["stays_away"] = [
        not any(as_of <= day < as_of + HORIZON for day in by_customer[key])
        for key, as_of in zip(rows.customer_key, rows.as_of, strict=True)
    ]
    return rows


@pytest.mark.parametrize("as_of", CUTOFFS[1:])
def test_churn_risk_ranks_as_well_as_recency_and_frequency(
    cdnow: pd.DataFrame, as_of: date
) -> None:
    rows = cdnow[cdnow.as_of == as_of]
    area, recency, frequency = (
        roc_auc_score(rows.stays_away, values)
        for values in (rows.churn_risk, rows.recency_days__all, -rows.orders__all)
    )
    print(f"{as_of}: churn_risk {area:.4f}, recency {recency:.4f}, frequency {frequency:.4f}")
    assert area >= max(recency, frequency)


def test_the_risk_of_a_first_order_of_last_week_is_what_became_of_such(cdnow: pd.DataFrame) -> None:
    rows = cdnow[(cdnow.as_of == CUTOFFS[0]) & (cdnow.orders__all == 1)]
    newcomers = rows[rows.recency_days__all <= 7]
    assert len(newcomers) > 100
    share = newcomers.stays_away.mean()
    print(f"risk {newcomers.churn_risk.mean():.3f}, no order in 90 days {share:.3f}")
    assert newcomers.churn_risk.mean() == pytest.approx(share, abs=0.15)


def test_a_longer_silence_never_lowers_the_risk() -> None:
    """Customers who differ in nothing else, for three paces, and for one order."""
    silences = [1, 2, 5, 10, 30, 60, 90, 180, 365, 1000]
    histories = [[0], [0, 7], [0, 30, 60, 90], [0, 1, 300]]
    orders = {
        100 * number + place: days_ago(*(silence + day for day in history))
        for number, history in enumerate(histories)
        for place, silence in enumerate(silences)
    }
    found = scored(orders)
    for number in range(len(histories)):
        own = [found[100 * number + place] for place in range(len(silences))]
        risks = [row["churn_risk"] for row in own]
        assert all(earlier < later for earlier, later in pairwise(risks))
        assert 0 < risks[0] < risks[-1] <= 1
        # A customer who has been away for years has stopped, however much was bought before.
        assert risks[-1] > 0.85


def test_the_risk_after_one_order_follows_those_who_came_back() -> None:
    """Nine of ten buyers came back in one shop, one of ten in the other."""
    again, once = days_ago(100, 160), days_ago(160)
    risks = []
    for returning in (90, 10):
        orders = {key: again if key < returning else once for key in range(100)}
        risks.append(scored(orders | {100: days_ago(1)})[100]["churn_risk"])
    assert risks[0] < 0.6
    assert risks[1] > 0.85


@pytest.mark.parametrize("buyers", [1, 2, 50])
def test_a_shop_that_no_customer_has_come_back_to_has_risks(buyers: int) -> None:
    found = scored({key: days_ago(key + 1) for key in range(buyers)})
    risks = [found[key]["churn_risk"] for key in range(buyers)]
    assert risks[0] > 0.5
    assert all(earlier < later for earlier, later in pairwise(risks))
    assert risks[-1] <= 1


# --- Loyalty --------------------------------------------------------------------------------------


def regulars(rng: np.random.Generator, mean_gap: float) -> dict[int, list[date]]:
    """Customers of up to two years, each with a pace of its own."""
    orders = {}
    for key in range(300):
        gap = mean_gap * rng.gamma(2, 0.5) + 1
        days = np.unique(np.cumsum(rng.exponential(gap, 200)).astype(int) + 1)
        since = rng.integers(30, 730)
        orders[key] = days_ago(*(int(day) for day in days if day <= since)) or days_ago(int(since))
    return orders


@pytest.mark.parametrize("mean_gap", [100, 200])
@pytest.mark.parametrize("tiers", [False, True])
def test_a_newcomer_is_less_loyal_than_champions(mean_gap: float, tiers: bool) -> None:
    orders = regulars(np.random.default_rng(3), mean_gap)
    newcomers = {1000: days_ago(1), 1001: days_ago(1, 2, 3, 4)}
    tier = {key: ["Bronze", "gold"][key % 2] for key in range(0, 300, 3)} if tiers else {}
    found = scored(orders | newcomers, tier)
    rows = pd.DataFrame([found[key] for key in orders])
    champions = rows[
        (rows.recency_days__all <= rows.recency_days__all.quantile(0.2))
        & (rows.orders__all >= rows.orders__all.quantile(0.6))
    ]
    assert len(champions) >= 10
    for key in newcomers:
        assert found[key]["loyalty_score"] < champions.loyalty_score.mean()


def test_more_time_at_the_same_habit_never_lowers_loyalty() -> None:
    """An order a week, or one on the 10th of each month, for longer and longer."""
    background = regulars(np.random.default_rng(4), 20)
    tenths = [date(2024 - month // 12, 12 - month % 12, 10) for month in range(7, 43)]
    for habit in ([AS_OF - timedelta(days=1 + 7 * week) for week in range(150)], tenths):
        orders = {1000 + count: habit[:count] for count in range(1, len(habit) + 1)}
        found = scored(background | orders)
        scores = [found[key]["loyalty_score"] for key in orders]
        assert scores == sorted(scores)
        assert scores[0] < scores[-1]


def test_a_first_order_long_ago_alone_makes_no_loyal_customer() -> None:
    found = scored(regulars(np.random.default_rng(3), 20) | {1000: days_ago(3000)})
    assert found[1000]["loyalty_score"] < 0.1


def test_joining_the_programme_never_lowers_loyalty() -> None:
    orders = {key: days_ago(*range(1, 400, 20)) for key in range(4)}
    found = scored(orders, {1: "bronze", 2: "platinum", 3: "unheard of"})
    scores = [found[key]["loyalty_score"] for key in (0, 1, 2)]
    assert scores == sorted(set(scores))


# --- Momentum -------------------------------------------------------------------------------------


def test_a_steady_customer_has_no_momentum_from_the_first_day_on() -> None:
    """A week's pace, kept since the first order: neither quicker nor slower."""
    orders = {weeks: days_ago(*(1 + 7 * week for week in range(weeks))) for weeks in range(1, 80)}
    found = scored(orders)
    for row in found.values():
        assert (row["momentum_score"] is None) == (row["tenure_days__all"] < 180)
    known = [row["momentum_score"] for row in found.values() if row["momentum_score"] is not None]
    assert known == pytest.approx([0.5] * len(known), abs=0.03)
