"""RFM scores on data that breaks naive ones: ties, one-time buyers, everyone on the last day."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from conftest import Build, Workshop, scenario, some_marts
from test_builds_oracle import Expected, Order, percentile_disc, rfm_label

LAST_DAY = date(2024, 5, 31)
METRICS = {"recency": "recency_days", "frequency": "frequency", "monetary": "monetary"}
SCENARIOS = [
    "reference",
    "seventy_percent_buy_once",
    "ninety_five_percent_buy_once",
    "identical_customers",
    "one_customer",
]


def mostly_one_time_buyers(customers: int, once: float, on_the_last_day: float) -> pd.DataFrame:
    """Orders with typed columns: a share buys once, a share buys on the last day."""
    chance = random.Random(customers + int(100 * once))
    rows: list[dict[str, Any]] = []
    for customer in range(customers):
        count = 1 if customer < once * customers else chance.randint(2, 9)
        days = [LAST_DAY - timedelta(days=chance.randint(1, 700)) for _ in range(count)]
        # Every fourth customer, or whatever the share is, one-time buyers or not.
        if int(customer * on_the_last_day) != int((customer + 1) * on_the_last_day):
            days[-1] = LAST_DAY
        for day in days:
            rows.append(
                {
                    "order_id": len(rows),
                    "customer_ref": f"{customer:05}",
                    "ordered_at": pd.Timestamp(day, tz="Europe/Berlin") + pd.Timedelta(hours=12),
                    "amount": chance.choice([10.0, 19.99, 20.0, chance.randint(1, 9999) / 100]),
                }
            )
    return pd.DataFrame(rows)


def scored(build: Build) -> pd.DataFrame:
    return build.passed().query(
        """
        select scored.*, features.recency_days, features.frequency, features.monetary
        from customer_segments as scored
        inner join customer_features as features using (customer_id)
        """
    )


SCORES = "customer_features customer_segments customer_records segment_cutpoints"


@scenario()
def seventy_percent_buy_once(workshop: Workshop) -> Build:
    """And a quarter buys on the last day."""
    orders = mostly_one_time_buyers(200, once=0.7, on_the_last_day=0.25)
    folder = workshop.folder("seventy-percent")
    return some_marts(workshop, SCORES, folder, {"orders": orders})


@scenario()
def ninety_five_percent_buy_once(workshop: Workshop) -> Build:
    orders = mostly_one_time_buyers(200, once=0.95, on_the_last_day=0.01)
    folder = workshop.folder("ninety-five-percent")
    return some_marts(workshop, SCORES, folder, {"orders": orders})


@pytest.fixture(params=SCENARIOS)
def customers(request: pytest.FixtureRequest) -> pd.DataFrame:
    return scored(request.getfixturevalue(request.param))


@pytest.mark.parametrize("metric", METRICS)
def test_equal_values_score_equally_and_better_ones_never_lower(
    customers: pd.DataFrame, metric: str
) -> None:
    buyers = customers[customers["is_buyer"]]
    by_value = buyers.groupby(METRICS[metric])[f"{metric}_score"].agg(["min", "max"]).sort_index()
    assert (by_value["min"] == by_value["max"]).all()
    in_order = by_value["min"].tolist()
    assert in_order == sorted(in_order, reverse=metric == "recency")
    assert set(in_order) <= {1, 2, 3, 4, 5}


def test_prospects_are_never_scored_and_buyers_always_are(customers: pd.DataFrame) -> None:
    columns = [f"{metric}_score" for metric in METRICS]
    is_buyer = customers["is_buyer"]
    assert customers.loc[~is_buyer, columns].isna().all(axis=None)
    assert customers.loc[is_buyer, columns].notna().all(axis=None)
    assert customers.loc[~is_buyer, "rfm_segment"].isin(["prospect", "returns_only"]).all()
    assert is_buyer.equals(customers["frequency"] > 0)


def test_the_label_follows_from_recency_and_frequency(customers: pd.DataFrame) -> None:
    buyers = customers[customers["is_buyer"]]
    pairs = zip(buyers["recency_score"], buyers["frequency_score"], strict=True)
    assert buyers["rfm_segment"].tolist() == [rfm_label(*pair) for pair in pairs]


@pytest.mark.parametrize("name", SCENARIOS[:3])
@pytest.mark.parametrize("metric", METRICS)
def test_cut_points_are_discrete_percentiles_over_buyers(
    request: pytest.FixtureRequest, name: str, metric: str
) -> None:
    build = request.getfixturevalue(name)
    customers = scored(build)
    values = customers.loc[customers["is_buyer"], METRICS[metric]].tolist()
    is_recency = metric == "recency"
    cuts = [percentile_disc(values, p, worst_first=is_recency) for p in (20, 40, 60, 80)]
    cuts.append(min(values) if is_recency else max(values))
    stored = build.rows(
        "select cut_number, cut_value from segment_cutpoints"
        f" where scheme = 'rfm' and metric = '{metric}' order by 1"
    )
    assert stored == [(number, float(cut)) for number, cut in enumerate(cuts, start=1)]


def test_cut_points_are_published_among_the_models(reference: Build) -> None:
    assert reference.passed().rows(
        "select table_schema from information_schema.tables where table_name = 'segment_cutpoints'"
    ) == [("models",)]


def orders_of(data: pd.DataFrame) -> Expected:
    orders = [
        Order(
            ("default", row.customer_ref),
            row.ordered_at.date(),
            Decimal(str(row.amount)),
            is_completed=True,
        )
        for row in data.itertuples()
    ]
    everyone = {order.customer for order in orders if order.customer}
    return Expected(orders, everyone, LAST_DAY + timedelta(days=1))


@pytest.mark.parametrize(("name", "once", "on_the_last_day"), [
    ("seventy_percent_buy_once", 0.7, 0.25),
    ("ninety_five_percent_buy_once", 0.95, 0.01),
])  # fmt: skip
def test_scores_of_mostly_one_time_buyers_are_those_of_an_independent_computation(
    request: pytest.FixtureRequest, name: str, once: float, on_the_last_day: float
) -> None:
    build = request.getfixturevalue(name).passed()
    expected = orders_of(mostly_one_time_buyers(200, once, on_the_last_day))
    got = build.rows(
        "select customer_ref, recency_score, frequency_score, monetary_score"
        " from customer_segments inner join customer_records using (customer_id) order by 1"
    )
    assert got == [
        (key[1], *(expected.scores[metric][key] for metric in METRICS))
        for key in sorted(expected.buyers)
    ]


def test_one_time_buyers_share_the_lowest_frequency_score(
    seventy_percent_buy_once: Build, ninety_five_percent_buy_once: Build
) -> None:
    for build, share in ((seventy_percent_buy_once, 0.7), (ninety_five_percent_buy_once, 0.95)):
        customers = scored(build)
        once = customers["frequency"] == 1
        assert once.mean() == pytest.approx(share)
        assert set(customers.loc[once, "frequency_score"]) == {1}
        assert (customers.loc[~once, "frequency_score"] > 1).all()
        assert customers["frequency_score"].max() == 5


def test_a_quarter_buying_on_the_last_day_leaves_champions(
    seventy_percent_buy_once: Build,
) -> None:
    customers = scored(seventy_percent_buy_once)
    last_day = customers["recency_days"] == 1
    assert last_day.mean() == pytest.approx(0.25)
    assert set(customers.loc[last_day, "recency_score"]) == {5}
    assert (customers["rfm_segment"] == "champions").sum() > 0


def test_identical_customers_all_score_three_and_the_status_says_why(
    identical_customers: Build, one_customer: Build
) -> None:
    for build in (identical_customers, one_customer):
        customers = scored(build)
        assert set(customers[[f"{metric}_score" for metric in METRICS]].to_numpy().flat) == {3}
        statuses = build.rows(
            "select distinct metric, status from segment_cutpoints where scheme = 'rfm'"
        )
        assert set(statuses) == {(metric, "one_value") for metric in METRICS}


def test_few_frequencies_are_told_in_the_status(ninety_five_percent_buy_once: Build) -> None:
    frequencies = scored(ninety_five_percent_buy_once)["frequency"].nunique()
    status = "few_values" if frequencies < 5 else "ok"
    assert ninety_five_percent_buy_once.rows(
        "select distinct status from segment_cutpoints"
        " where scheme = 'rfm' and metric = 'frequency'"
    ) == [(status,)]


# --- Recency in own gaps -------------------------------------------------------------------


def rhythms() -> pd.DataFrame:
    """Thirty customers each who order every 7, 30 or 90 days; w0, m0 and q0 left five gaps ago.

    `sample` got one free of charge.
    """
    chance = random.Random(21)
    rows: list[tuple[str, date, float]] = [("sample", LAST_DAY, 0.0)]
    for kind, gap, orders in (("w", 7, 60), ("m", 30, 16), ("q", 90, 7)):
        for customer in range(30):
            day = LAST_DAY - timedelta(days=5 * gap if customer == 0 else chance.randrange(gap))
            for _ in range(orders):
                rows.append((f"{kind}{customer}", day, 10.0))
                day -= timedelta(days=max(1, gap + chance.randint(-gap // 4, gap // 4)))
    table = pd.DataFrame(rows, columns=["customer_ref", "day", "amount"])
    ordered_at = pd.to_datetime(table["day"]).dt.tz_localize("Europe/Berlin")
    return table.assign(order_id=table.index, ordered_at=ordered_at + pd.Timedelta(hours=12)).drop(
        columns="day"
    )


@scenario()
def own_rhythms(workshop: Workshop) -> Build:
    variables = {"rfm_recency": "own_gaps", "zero_orders_count": False}
    return some_marts(
        workshop,
        f"{SCORES} segments segment_memberships",
        workshop.folder("own-rhythms"),
        {"orders": rhythms()},
        variables,
    )


def test_own_gaps_score_by_the_pace_of_the_customer(own_rhythms: Build) -> None:
    made = own_rhythms.passed().query(
        """
        select customer_ref, recency_score, rfm_segment
        from customer_segments inner join customer_records using (customer_id)
        where is_buyer
        """
    )
    days = rhythms().query("amount > 0").groupby("customer_ref")["ordered_at"]
    silence = (pd.Timestamp(LAST_DAY, tz="Europe/Berlin") - days.max().dt.normalize()).dt.days + 1
    span = (days.max() - days.min()).dt.round("D").dt.days
    mean_gap = (span / (days.count() - 1)).mean()
    own_gaps = silence / ((4 * mean_gap + span) / (4 + days.count() - 1))
    expected = 5 - sum((own_gaps >= limit).astype(int) for limit in (2, 3, 4, 6))
    assert made.set_index("customer_ref")["recency_score"].to_dict() == expected.to_dict()
    # By days the weekly ones would be the recent ones, and everyone of q long gone.
    assert set(expected.filter(regex="q[1-9]")) == {5}
    assert expected[["w0", "m0", "q0"]].max() < 5
    labels = made.set_index("customer_ref")["rfm_segment"]
    assert not set(labels[silence <= 7]) & {"cannot_lose", "at_risk", "hibernating"}


def test_own_gaps_are_in_the_words_of_definitions_reasons_and_limits(own_rhythms: Build) -> None:
    (definition,) = own_rhythms.passed().rows(
        "select definition, description from segments where segment_key = 'rfm:champions'"
    )
    assert definition[0].startswith("last order less than 2 own gaps ago and at least ")
    ((reason,),) = own_rhythms.rows(
        """
        select reason
        from segment_memberships inner join customer_records using (customer_id)
        where scheme = 'rfm' and customer_ref = 'q0'
        """
    )
    assert reason == "last order 451 days or 6.64 own gaps ago (score 1), 7 orders (score 1)"
    assert own_rhythms.rows(
        "select cut_number, cut_value, status from segment_cutpoints"
        " where scheme = 'rfm' and metric = 'recency' order by 1"
    ) == [(1, 6.0, "fixed"), (2, 4.0, "fixed"), (3, 3.0, "fixed"), (4, 2.0, "fixed")]


def test_an_order_of_nothing_makes_no_buyer_where_it_does_not_count(own_rhythms: Build) -> None:
    assert own_rhythms.passed().rows(
        """
        select is_buyer, rfm_segment
        from customer_segments inner join customer_records using (customer_id)
        where customer_ref = 'sample'
        """
    ) == [(False, "prospect")]
