"""Hardly any data: builds pass, and their outputs say why they are empty or single."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from conftest import Attempt, Build, Workshop, scenario

DEGENERATE = ["no_orders", "only_guests", "one_customer", "identical_customers"]


@scenario()
def only_guests(workshop: Workshop) -> Build:
    orders = pd.DataFrame(
        {
            "order_id": [str(number) for number in range(20)],
            "customer_ref": pd.Series([None] * 20, dtype="str"),
            "ordered_at": pd.Timestamp("2024-03-05 12:00:00"),
            "amount": 10.0,
        }
    )
    return workshop.build(workshop.folder("only-guests"), {"orders": orders})


@scenario()
def one_early_order(workshop: Workshop) -> Build:
    """A shop of forty orders in three months, and one with a wrong date."""
    orders = pd.DataFrame(
        {
            "order_id": [str(number) for number in range(41)],
            "customer_ref": [f"c{number % 8}" for number in range(41)],
            "ordered_at": [f"2024-0{number % 3 + 1}-{number % 28 + 1:02}" for number in range(40)]
            + ["0202-09-01"],
            "amount": 10.0,
        }
    )
    folder = workshop.folder("one-early-order")
    return workshop.build(folder, {"orders": orders}, {"history_start": None})


@pytest.fixture(params=DEGENERATE)
def degenerate(request: pytest.FixtureRequest) -> Build:
    build: Build = request.getfixturevalue(request.param)
    return build.passed()


def test_hardly_any_data_still_builds_and_publishes_every_mart(
    degenerate: Build, reference: Build
) -> None:
    assert degenerate.marts() == reference.marts()


def test_no_clusters_are_a_verdict_with_a_reason(degenerate: Build) -> None:
    models = degenerate.query("select * from models.cluster_models where status <> 'candidate'")
    assert set(models["verdict"]) == {"none"}
    assert models["scheme"].is_unique
    assert models["why"].str.len().min() > 10
    keys = degenerate.rows("select distinct cluster_key from customer_segments where is_buyer")
    assert keys in ([], [("everyone",)])


def test_segments_without_members_are_listed_with_0(degenerate: Build) -> None:
    segments = degenerate.rows("select segment_key from segments order by 1")
    kpis = degenerate.rows("select segment_key from segment_kpis order by 1")
    assert kpis == segments
    assert ("rfm:champions",) in kpis
    assert ("rule:two_orders_90d",) in kpis
    counted = degenerate.rows(
        "select segment_key, count(*) from segment_memberships group by all order by 1"
    )
    told = "select segment_key, customers from segment_kpis where customers > 0 order by 1"
    assert degenerate.rows(told) == counted


def test_shares_of_nobody_are_null_and_never_nan(degenerate: Build) -> None:
    assert degenerate.rows(
        "select count(*) from segment_kpis"
        " where isnan(customer_share) or isnan(buyer_share) or isnan(revenue_share)"
    ) == [(0,)]


def test_without_orders_as_of_falls_back_and_nobody_is_segmented(no_orders: Build) -> None:
    no_orders.passed()
    assert no_orders.rows("select distinct as_of from segments") == [(date(1970, 1, 1),)]
    for mart in ("customers", "customer_segments", "segment_memberships"):
        assert no_orders.rows(f"select count(*) from {mart}") == [(0,)], mart
    assert no_orders.rows(
        "select value from monitoring.source_coverage"
        " where source_table = 'orders' and check_name = 'rows'"
    ) == [(0.0,)]


def test_without_events_and_tickets_journeys_and_topics_are_empty(
    identical_customers: Build, no_orders: Build
) -> None:
    """Touchpoints are left where there are orders; the mood of nobody is known."""
    for build in (identical_customers, no_orders):
        for mart in ("journey_paths", "topics", "customer_topics"):
            assert build.passed().rows(f"select count(*) from {mart}") == [(0,)], mart
    assert no_orders.rows("select count(*) from journey_transitions") == [(0,)]
    assert identical_customers.rows(
        "select from_state, to_state, transitions, probability from journey_transitions"
        " where segment_key = 'all' order by all"
    ) == [
        ("touch:(start)", "touch:shop", 40, 1),
        ("touch:shop", "touch:(end)", 40, 0.5),
        ("touch:shop", "touch:shop", 40, 0.5),
    ]
    assert identical_customers.rows(
        "select distinct members, mean from segment_profiles where feature = 'sentiment__all'"
    ) == [(0, None)]


def test_a_scheme_that_nobody_is_in_has_a_verdict_and_no_segments(
    no_orders: Build, one_customer: Build
) -> None:
    told = "select verdict, why from models.cluster_models where scheme = 'journeys'"
    ((verdict, why),) = no_orders.passed().rows(told)
    assert verdict == "none"
    assert "none has an event" in why
    assert one_customer.passed().rows(told) == []
    for build in (no_orders, one_customer):
        assert build.rows("select * from segments where scheme = 'journeys'") == []


def test_the_summary_says_that_there_are_no_orders(no_orders: Build) -> None:
    """As `make build` prints it after such a build."""
    command = [str(Path(sys.executable).parent / "customer-segmentation"), "summary"]
    told = subprocess.run(
        command, cwd=no_orders.passed().folder, capture_output=True, text=True, check=True
    ).stdout
    assert "1970-01-01" in told
    assert re.search(r"\bno\b.*\border", told, re.IGNORECASE), told


def test_one_order_with_a_wrong_date_does_not_begin_the_history(one_early_order: Build) -> None:
    assert one_early_order.passed().rows(
        "select source_table, rule, masked_value from monitoring.quarantined_records"
    ) == [("orders", "implausible_date", "9999-99-99")]
    assert one_early_order.rows("select distinct period from segment_kpis order by 1") == [
        (date(2024, month, 1),) for month in (2, 3)
    ] + [(date(2024, 3, 28),)]
    assert one_early_order.rows(
        "select value from monitoring.source_coverage"
        " where source_table = 'orders' and check_name = 'quarantined'"
    ) == [(1.0,)]


def test_guests_are_counted_and_never_customers(only_guests: Build) -> None:
    only_guests.passed()
    assert only_guests.rows("select count(*) from customers") == [(0,)]
    counts = dict(
        only_guests.rows(
            "select check_name, value from monitoring.source_coverage where source_table = 'orders'"
        )
    )
    assert counts["guests"] == counts["loaded"] == 20
    # An order without customer_ref is a guest's, not a bad one.
    assert counts["data_quality"] == 1
    assert only_guests.rows("select distinct as_of from segments") == [(date(2024, 3, 6),)]


def test_what_no_table_could_say_is_unknown_and_no_warning(one_customer: Build) -> None:
    assert one_customer.passed().rows(
        "select check_name, value, verdict from monitoring.source_coverage"
        " where check_name in ('age_band_known', 'consents_known') order by all"
    ) == [("age_band_known", None, "unknown"), ("consents_known", None, "unknown")]
    assert (
        one_customer.rows("select * from monitoring.segment_warnings where gate = 'coverage'") == []
    )


def test_a_description_that_was_not_written_is_null(one_customer: Build) -> None:
    assert one_customer.passed().rows(
        "select count(*) from segments where description = definition"
    ) == [(0,)]
    assert one_customer.rows(
        "select description from segments where segment_key = 'rule:two_orders_90d'"
    ) == [(None,)]


def test_one_customer_is_in_one_segment_of_each_scheme(one_customer: Build) -> None:
    one_customer.passed()
    rows = one_customer.rows(
        "select scheme, count(*) from segment_memberships where scheme <> 'rule' group by all"
    )
    assert len(rows) >= 8
    assert {count for _, count in rows} == {1}
    assert one_customer.rows("select recency_days, frequency, monetary from customer_features") == [
        (1, 1, 30)
    ]


def test_a_project_without_rule_segments_builds(sixteen_tables: Build) -> None:
    schemes = sixteen_tables.passed().rows("select distinct scheme from segments")
    assert ("rfm",) in schemes
    assert ("rule",) not in schemes


def test_a_build_without_customers_does_not_replace_a_file_with_some(
    guarded: dict[str, Attempt],
) -> None:
    attempt = guarded["no rows"]
    # A scheduler sees the exit status, and readers keep the old file.
    said = attempt.build.failed().output
    assert attempt.after == attempt.before
    assert "segments.duckdb is unchanged: customers would be empty" in said
    assert "var allow_empty_publish: true" in said


def test_without_events_engagement_is_null_with_a_reason(one_customer: Build) -> None:
    assert one_customer.passed().rows(
        "select engagement_score, momentum_score, loyalty_score is null, missing_scores"
        " from customer_features"
    ) == [
        (
            None,
            None,
            False,
            "engagement_score: no events are known; "
            "momentum_score: the first order is less than 180 days ago",
        )
    ]


def test_without_experiments_their_marts_are_empty(one_customer: Build) -> None:
    one_customer.passed()
    for mart in ("experiment_results", "experiment_checks"):
        assert one_customer.rows(f"select count(*) from experiments.{mart}") == [(0,)]
