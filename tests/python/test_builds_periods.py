"""Periods are compared over the same number of days: where nothing changes, no figure does.

A shop without any change: as many customers of each pace order on every day. Figures of periods
that are cut off by as_of, or of months of 29 and 31 days, must not look like a fall.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from conftest import Build, Workshop, scenario

FIRST_DAY = date(2023, 1, 1)
# Customers who order every so many days; each day of the pace has as many of them.
PACES = {2: 30, 5: 20, 12: 15, 30: 10, 45: 10}
COMPARED = ["period_revenue", "revenue_per_member", "period_order_value", "conversion"]
COMPARED += ["repeat_rate"]
STEADY_VARS: dict[str, Any] = {
    "rule_segments": {
        "frequent": {"metric": "orders", "window_days": 60, "at_least": 10},
        "seldom": {"metric": "orders", "window_days": 60, "at_most": 2},
    },
    "segment_goals": {
        "rule:frequent": {"kpi": "period_revenue", "change": 0.1},
        "rule:seldom": {"kpi": "conversion", "change": 0.1},
    },
}
MODELS = ["--select", "+segment_kpis", "+segment_projections", "--exclude-resource-type", "test"]


def steady_orders(as_of: date) -> pd.DataFrame:
    days = (as_of - FIRST_DAY).days
    rows = [
        (f"{pace}-{phase}-{number}", FIRST_DAY + timedelta(days=day))
        for pace, customers in PACES.items()
        for phase in range(pace)
        for number in range(customers)
        for day in range(phase, days, pace)
    ]
    orders = pd.DataFrame(rows, columns=["customer_ref", "ordered_at"])
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"]) + pd.Timedelta(hours=12)
    orders["order_id"] = range(len(orders))
    return orders.assign(amount=20.0)


def steady_shop(
    workshop: Workshop, name: str, period: str, as_of: date, history_start: date
) -> Build:
    asked = {
        **STEADY_VARS,
        "period": period,
        "as_of": as_of.isoformat(),
        "history_start": history_start.isoformat(),
    }
    tables = {"orders": steady_orders(as_of)}
    made = workshop.build(workshop.folder(name), tables, asked, MODELS)
    return replace(made.passed(), is_published=False)


@scenario()
def steady_months(workshop: Workshop) -> Build:
    """As of the tenth: April has nine days."""
    return steady_shop(workshop, "months", "month", date(2024, 4, 10), date(2024, 1, 1))


@scenario("steady_months")
def built_again(workshop: Workshop, _: Build) -> Build:
    """Built as of an earlier day of April, and of March, before the tenth."""
    for as_of in (date(2024, 3, 20), date(2024, 4, 3)):
        steady_shop(workshop, "months-again", "month", as_of, date(2024, 1, 1))
    return steady_shop(workshop, "months-again", "month", date(2024, 4, 10), date(2024, 1, 1))


@scenario()
def steady_weeks(workshop: Workshop) -> Build:
    """As of a Thursday: its week has three days."""
    return steady_shop(workshop, "weeks", "week", date(2024, 4, 18), date(2024, 3, 18))


@pytest.fixture(params=["steady_months", "steady_weeks"])
def steady(request: pytest.FixtureRequest) -> Build:
    made: Build = request.getfixturevalue(request.param)
    return made


def test_the_length_of_each_period_is_beside_it(steady_months: Build, steady_weeks: Build) -> None:
    query = (
        "select distinct period::varchar, days, is_whole, is_last_whole, compared_days, comparison"
        " from segment_kpis order by 1"
    )
    too_soon = "since the period before, less than a whole one"
    assert steady_months.rows(query) == [
        ("2024-01-01", 31, True, False, None, "none: no period before it"),
        ("2024-02-01", 29, True, False, 29, "the first 29 days of both periods"),
        ("2024-03-01", 31, True, True, 29, "the first 29 days of both periods"),
        ("2024-04-01", 9, False, False, 9, "the first 9 days of both periods"),
        ("2024-04-10", 0, False, False, None, f"none: 9 days {too_soon}"),
    ]  # fmt: skip
    assert steady_weeks.rows(query)[1:] == [
        ("2024-03-25", 7, True, False, 7, "whole periods"),
        ("2024-04-01", 7, True, False, 7, "whole periods"),
        ("2024-04-08", 7, True, True, 7, "whole periods"),
        ("2024-04-15", 3, False, False, 3, "the first 3 days of both periods"),
        ("2024-04-18", 0, False, False, None, f"none: 3 days {too_soon}"),
    ]  # fmt: skip


def test_where_nothing_changes_no_figure_does(steady: Build) -> None:
    changes = ", ".join(f"{kpi}_change" for kpi in COMPARED)
    rows = steady.query(
        f"select period::varchar as period, segment_key, customers_change, {changes} "
        "from segment_kpis where customers >= 100 and segment_key in "
        "('rule:frequent', 'rule:seldom', 'lifecycle:active', 'value_tier:high')"
    ).set_index(["period", "segment_key"])
    assert len(rows) >= 20
    known = rows.dropna(how="all")
    assert known[["conversion_change", "period_revenue_change"]].notna().sum().min() >= 12
    assert known.abs().max().max() == 0, known


def test_no_goal_looks_missed(steady: Build) -> None:
    rows = steady.rows("select goal_progress from segment_kpis where goal_progress is not null")
    assert len(rows) >= 6
    assert {progress for (progress,) in rows} == {0}


def test_projections_are_of_whole_periods_alone(steady: Build) -> None:
    periods = steady.rows(
        "select distinct period, days, is_whole from segment_kpis order by period"
    )
    projected = steady.rows(
        "select distinct period, next_period, actual_customers is not null "
        "from segment_projections where segment_key <> 'outside' order by 1, 2, 3"
    )
    *whole, (cut_off, _, _), _ = periods
    assert [row[0] for row in projected] == [*(period for period, _, _ in whole[1:]), cut_off]
    assert [known for _, _, known in projected] == [True] * (len(whole) - 1) + [False]
    steps = steady.rows("select distinct period, days from segment_transitions order by 1")
    assert steps == [(later, days) for (_, days, _), (later, _, _) in itertools.pairwise(periods)]


def test_behaviour_of_now_is_that_of_the_last_whole_period(steady: Build) -> None:
    ((conversion, contacted),) = steady.rows(
        "select conversion, contacted from segment_kpis "
        "where is_last_whole and segment_key = 'rule:frequent'"
    )
    assert conversion == 1
    assert contacted == 0


@pytest.mark.slow
def test_periods_that_are_kept_are_compared_anew(steady_months: Build, built_again: Build) -> None:
    for mart in ("segment_kpis", "segment_transitions", "segment_projections"):
        one, other = (set(build.rows(f"from {mart}")) for build in (steady_months, built_again))
        assert one == other, mart
        assert one, mart
