"""The rule grammar: what it refuses, what its SQL means, its reasons, its speed."""

import copy
import json
import os
import random
import time
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from rule_grammar_evaluator import (
    Customer,
    Rule,
    Window,
    column_of,
    evaluate,
    fitted_limit,
    metric_value,
    window_of,
)
from rule_grammar_project import GrammarProject

TEXTS = {"unit": "units", "description": "For tests"}
METRICS: dict[str, Rule] = {
    "orders": {"table": "orders", "aggregate": "count", "filter": "is_completed", "absent": 0},
    "revenue": {"table": "orders", "aggregate": "sum", "value": "amount", "absent": 0},
    "purchase_days": {
        "table": "orders",
        "aggregate": "count_days",
        "filter": "is_completed or amount < -20",
        "absent": 0,
    },
    "recency_days": {
        "table": "orders",
        "aggregate": "days_since_last",
        "filter": "is_completed",
        "absent": None,
    },
    "tenure_days": {"table": "orders", "aggregate": "days_since_first", "absent": None},
    "session_minutes": {"table": "sessions", "aggregate": "sum", "value": "minutes", "absent": 0},
    "mean_minutes": {"table": "sessions", "aggregate": "mean", "value": "minutes", "absent": None},
    "best_minutes": {"table": "sessions", "aggregate": "max", "value": "minutes", "absent": None},
    "least_minutes": {"table": "sessions", "aggregate": "min", "value": "minutes", "absent": None},
    "devices": {
        "table": "sessions",
        "aggregate": "count_distinct",
        "value": "device",
        "absent": None,
    },
}
METRICS = {name: {**metric, **TEXTS} for name, metric in METRICS.items()}
# Each filter again as a function, so that the evaluator needs no SQL.
FILTERS = {
    "is_completed": lambda row: row["is_completed"],
    "is_completed or amount < -20": lambda row: row["is_completed"] or row["amount"] < -20,
    None: lambda row: True,
}
RECENT = {"metric": "orders", "window_days": 30, "at_least": 1}
# Rules may name their segments.
DECLARED_SCHEMES = {
    "value_tier": {
        "segments": [
            {"segment": "high", "rule": {"metric": "revenue", "at_least": 100}},
            {"segment": "none", "else": True},
        ]
    },
    "lifecycle": {
        "segments": [{"segment": "new", "rule": RECENT}, {"segment": "active", "else": True}]
    },
}
VALIDATE = "{% set checked = rule_segments() %}"


def with_segments(segments: Any, **others: Any) -> dict[str, Any]:
    return {"metrics": METRICS, "rule_segments": segments, "schemes": DECLARED_SCHEMES, **others}


# --- What is refused -----------------------------------------------------------------------------


def nested(depth: int) -> Rule:
    rule = RECENT
    for _ in range(depth):
        rule = {"all": [rule]}
    return rule


ALL_METRICS = "the metrics " + ", ".join(METRICS)
OPERATORS = "at_least, at_most, more_than, less_than, equals, between, top_percent, bottom_percent"
OPERATORS += ", top, above, below, is_known"
KINDS = "exactly one of all, any, not, metric, score, attribute, consent, segment, sample_percent"
ONE_WINDOW = "window_days, or from_days_ago with to_days_ago, or neither for all time"
NUMBER = "a number without quotes"
PERCENT = "above 0 and below 100"
LIST = "a list of one or more rules"
VALUES = "a list of one or more texts or numbers"
TEXT_OPERATORS = "exactly one of in, not_in, equals, is_known"

# Rule of segment `bad_one`; place and finding; what the message must offer.
BAD_RULES: dict[str, tuple[Any, str, list[str]]] = {
    "unknown metric": (
        {"metric": "ordrs", "at_least": 1},
        ", at metric: found 'ordrs'. Did you mean orders?",
        [ALL_METRICS],
    ),
    "metric is no text": (
        {"metric": ["orders"], "at_least": 1},
        ", at metric: found ['orders'].",
        [ALL_METRICS],
    ),
    "unknown metric in a group": (
        {"all": [RECENT, {"any": [RECENT, {"metric": "revenu", "at_least": 1}]}]},
        ", at all[1].any[1].metric: found 'revenu'. Did you mean revenue?",
        [ALL_METRICS],
    ),
    "unknown key": (
        {"metric": "orders", "atleast": 1},
        ", at atleast: found an unknown key. Did you mean at_least",
        [OPERATORS, "window_days", "recommended_action", "stay_until"],
    ),
    "unknown key in a group": (
        {"any": [{"metric": "orders", "window": 3, "at_least": 1}]},
        ", at any[0].window: found an unknown key. Did you mean window_days",
        [OPERATORS],
    ),
    "misspelt text": (
        {**RECENT, "recomended_action": "call"},
        ", at recomended_action: found an unknown key. Did you mean recommended_action?",
        ["owner"],
    ),
    "text that is none": ({**RECENT, "owner": 7}, ", at owner: found 7.", ["a non-empty string"]),
    "two operators": (
        {"metric": "orders", "at_least": 1, "at_most": 3},
        ", at at_least and at_most: found 2 operators.",
        [OPERATORS],
    ),
    "no operator": ({"metric": "orders"}, ": found no operator.", [OPERATORS]),
    "between one number": (
        {"metric": "orders", "between": 3},
        ", at between: found 3.",
        ["[low, high]"],
    ),
    "between three": (
        {"metric": "orders", "between": [1, 2, 3]},
        "found [1, 2, 3]",
        ["[low, high]"],
    ),
    "between backwards": (
        {"metric": "orders", "between": [5, 2]},
        ", at between: found [5, 2].",
        ["low <= high"],
    ),
    "between texts": ({"metric": "orders", "between": "ab"}, "found 'ab'", ["[low, high]"]),
    "top 250": (
        {"metric": "orders", "top_percent": 250},
        ", at top_percent: found 250.",
        [PERCENT],
    ),
    "top 0": ({"metric": "orders", "top_percent": 0}, ", at top_percent: found 0.", [PERCENT]),
    "bottom 100": (
        {"metric": "orders", "bottom_percent": 100},
        ", at bottom_percent: found 100.",
        [PERCENT],
    ),
    "too fine a percent": (
        {"metric": "orders", "top_percent": 1.23456789},
        ", at top_percent: found 1.23456789.",
        ["at most six decimals"],
    ),
    "limit is true": (
        {"metric": "orders", "at_least": True},
        ", at at_least: found true.",
        [NUMBER],
    ),
    "limit is a text": ({"metric": "orders", "at_most": "5"}, ", at at_most: found '5'.", [NUMBER]),
    "limit is null": ({"metric": "orders", "at_most": None}, ", at at_most: found null.", [NUMBER]),
    "limit is infinite": (
        {"metric": "orders", "at_most": float("inf")},
        ", at at_most: found inf.",
        [NUMBER],
    ),
    "limit is no number": (
        {"metric": "orders", "less_than": float("nan")},
        ", at less_than: found nan.",
        [NUMBER],
    ),
    "negative window": (
        {"metric": "orders", "window_days": -7, "at_least": 1},
        ", at window_days: found -7.",
        ["a whole number of days from 1"],
    ),
    "window of half days": (
        {"metric": "orders", "window_days": 1.5, "at_least": 1},
        ", at window_days: found 1.5.",
        ["a whole number of days from 1"],
    ),
    "two windows": (
        {"metric": "orders", "window_days": 7, "from_days_ago": 9, "to_days_ago": 1, "at_least": 1},
        ", at window_days: found a second window beside it.",
        [ONE_WINDOW],
    ),
    "half a window": (
        {"metric": "orders", "from_days_ago": 9, "at_least": 1},
        ", at to_days_ago: found nothing.",
        ["from_days_ago and to_days_ago together"],
    ),
    "window backwards": (
        {"metric": "orders", "from_days_ago": 9, "to_days_ago": 9, "at_least": 1},
        ", at from_days_ago: found 9.",
        ["more than to_days_ago, which is 9"],
    ),
    "empty group": ({"all": []}, ", at all: found an empty list.", [LIST]),
    "group that is no list": ({"all": RECENT}, ", at all: found a mapping with the keys", [LIST]),
    "not of a list": ({"not": [RECENT]}, ", at not: found [a mapping", ["a rule such as {metric:"]),
    "group of texts": (
        {"any": ["orders"]},
        ", at any[0]: found 'orders'.",
        ["a rule such as {metric:"],
    ),
    "two kinds": (
        {"all": [RECENT], "metric": "orders"},
        ": found the keys all, metric.",
        [KINDS],
    ),
    "no kind": (
        {"metrc": "orders", "at_least": 1},
        ": found the keys metrc, at_least. Did you mean metric?",
        [KINDS],
    ),
    "texts only": ({"name": "Nobody"}, ": found no rule.", [KINDS]),
    "no mapping": ("orders", ": found 'orders'.", ["a rule such as {metric:"]),
    "too deep": (nested(11), "found groups nested more than 10 deep.", ["at most 10"]),
    "unknown scheme": (
        {"segment": "rfn:champions"},
        ", at segment: found 'rfn:champions'.",
        ["rfm, spend_breaks, cluster, journeys, value_tier, lifecycle, rule"],
    ),
    "unknown segment": (
        {"segment": "rfm:champion"},
        ", at segment: found 'rfm:champion'. Did you mean champions?",
        ["hibernating, at_risk, cannot_lose", "potential_loyalist, champions, prospect"],
    ),
    "segment without scheme": (
        {"segment": "champions"},
        ", at segment: found 'champions'.",
        ["'scheme:segment', such as 'rfm:champions'"],
    ),
    "unknown rule segment": (
        {"segment": "rule:bad_won"},
        ", at segment: found 'rule:bad_won'. Did you mean bad_one?",
        ["the segments of rule: fine_one, bad_one"],
    ),
    "itself": (
        {"not": {"segment": "rule:bad_one"}},
        "found a cycle of references, bad_one -> bad_one.",
        ["lead to no segment twice"],
    ),
    "unknown attribute": (
        {"attribute": "regoin", "in": ["North"]},
        ", at attribute: found 'regoin'. Did you mean region?",
        ["age_band, gender, income_band, household_size, loyalty_tier, region, country"],
    ),
    "in without list": (
        {"attribute": "region", "in": "North"},
        ", at in: found 'North'.",
        [VALUES],
    ),
    "in of nothing": ({"attribute": "region", "in": []}, ", at in: found an empty list.", [VALUES]),
    "no operator of an attribute": (
        {"attribute": "region"},
        ": found no operator.",
        [TEXT_OPERATORS],
    ),
    "two operators of an attribute": (
        {"attribute": "region", "in": ["North"], "not_in": ["South"]},
        ", at in and not_in: found 2 operators.",
        [TEXT_OPERATORS],
    ),
    "not in without list": (
        {"attribute": "region", "not_in": "North"},
        ", at not_in: found 'North'.",
        [VALUES],
    ),
    "equals a list": (
        {"attribute": "region", "equals": ["North"]},
        ", at equals: found ['North'].",
        ["a text or number"],
    ),
    "equals Norway": (
        {"attribute": "country", "equals": False},
        ", at equals: found false.",
        ["a text or number", "such as 'NO'"],
    ),
    "text compared as a number": (
        {"attribute": "region", "at_least": 3},
        ": found no operator.",
        [TEXT_OPERATORS],
    ),
    "number that is quoted": (
        {"attribute": "household_size", "equals": "3"},
        ", at equals: found '3'.",
        [NUMBER],
    ),
    "percentile of an attribute": (
        {"attribute": "household_size", "top_percent": 3},
        ", at top_percent: found an unknown key.",
        ["at_least, at_most"],
    ),
    "metric equals a text": (
        {"metric": "orders", "equals": "two"},
        ", at equals: found 'two'.",
        [NUMBER],
    ),
    "is_known is a text": (
        {"attribute": "region", "is_known": "no"},
        ", at is_known: found 'no'.",
        ["true, false"],
    ),
    "is_known is 1": (
        {"score": "churn_risk", "is_known": 1},
        ", at is_known: found 1.",
        ["true, false"],
    ),
    "is_known of a count": (
        {"metric": "orders", "is_known": False},
        ", at is_known: found is_known beside orders, which is 0 for customers without rows.",
        ["metrics whose absent is null", "at_most: 0"],
    ),
    "unknown score": (
        {"score": "churn", "at_least": 0.5},
        ", at score: found 'churn'. Did you mean churn_risk?",
        ["engagement_score, momentum_score, loyalty_score, churn_risk"],
    ),
    "window of a score": (
        {"score": "churn_risk", "window_days": 30, "at_least": 0.5},
        ", at window_days: found an unknown key.",
        ["beside score, the keys score, at_least"],
    ),
    # YAML reads the country code NO as false.
    "Norway": (
        {"attribute": "country", "in": ["SE", False]},
        ", at in[1]: found false.",
        [VALUES, "such as 'NO'"],
    ),
    "in of lists": (
        {"attribute": "country", "in": [["SE"]]},
        ", at in[0]: found ['SE'].",
        [VALUES],
    ),
    "and": (
        {"and": [RECENT, RECENT]},
        ": found the keys and. Did you mean all?",
        [KINDS],
    ),
    "or": (
        {"all": [{"or": [RECENT]}]},
        ", at all[0]: found the keys or. Did you mean any?",
        [KINDS],
    ),
    "or beside a rule": (
        {**RECENT, "or": [RECENT]},
        ", at or: found an unknown key, since metric stands alone; any takes a list of rules",
        [OPERATORS],
    ),
    ">=": (
        {"metric": "orders", ">=": 1},
        ", at >=: found an unknown key. Did you mean at_least?",
        [],
    ),
    "<": (
        {"score": "churn_risk", "<": 0.5},
        ", at <: found an unknown key. Did you mean less_than?",
        [],
    ),
    "==": (
        {"metric": "orders", "==": 1},
        ", at ==: found an unknown key. Did you mean equals?",
        [],
    ),
    "=": ({"metric": "orders", "=": 1}, ", at =: found an unknown key. Did you mean equals?", []),
    "!= of a metric": (
        {"metric": "orders", "!=": 1},
        ", at !=: found an unknown key, for which there is {not: {metric: orders, equals: ..}}.",
        [OPERATORS],
    ),
    "!= of an attribute": (
        {"attribute": "region", "!=": "North"},
        ", at !=: found an unknown key. Did you mean not_in",
        ["in, not_in, equals, is_known"],
    ),
    "a missing value": (
        {"attribute": "region", "is_null": True},
        ", at is_null: found an unknown key. Did you mean is_known?",
        [],
    ),
    "a date": (
        {"metric": "orders", "since": "2024-01-01", "at_least": 1},
        ", at since: found an unknown key, since dates are counted in days before as_of: "
        "{window_days: 30}, or {from_days_ago: 60, to_days_ago: 30}.",
        ["window_days, from_days_ago, to_days_ago"],
    ),
    "a date of an attribute": (
        {"attribute": "region", "in": ["North"], "after": "2024-01-01"},
        ", at after: found an unknown key, since dates are counted in days before as_of",
        ["in, not_in"],
    ),
    "top of no whole number": (
        {"metric": "orders", "top": 2.5},
        ", at top: found 2.5.",
        ["a whole number of customers from 1"],
    ),
    "top 0 customers": (
        {"metric": "orders", "top": 0},
        ", at top: found 0.",
        ["a whole number of customers from 1"],
    ),
    "above a number": (
        {"metric": "orders", "above": 3},
        ", at above: found 3.",
        ["mean, median"],
    ),
    "below the average": (
        {"score": "churn_risk", "below": "average"},
        ", at below: found 'average'.",
        ["mean, median"],
    ),
    "sample of everyone": (
        {"sample_percent": 100},
        ", at sample_percent: found 100.",
        [PERCENT],
    ),
    "salt that is no text": (
        {"sample_percent": 10, "salt": 7},
        ", at salt: found 7.",
        ["a non-empty string"],
    ),
    "unknown purpose": (
        {"consent": "email"},
        ", at consent: found 'email'.",
        ["the purposes segmentation, activation"],
    ),
    "unknown state of a consent": (
        {"consent": "activation", "is": "given"},
        ", at is: found 'given'.",
        ["granted, withdrawn, unstated"],
    ),
    "state that is true": (
        {"consent": "activation", "is": True},
        ", at is: found true.",
        ["granted, withdrawn, unstated"],
    ),
    "stay_until in a group": (
        {"all": [{**RECENT, "stay_until": RECENT}]},
        ", at all[0].stay_until: found stay_until inside a rule.",
        ["beside the whole rule of a segment"],
    ),
    "bad stay_until": (
        {**RECENT, "stay_until": {"metric": "orders", "window_days": 0, "at_least": 1}},
        ", at stay_until.window_days: found 0.",
        ["a whole number of days from 1"],
    ),
    "stricter stay_until": (
        {**RECENT, "stay_until": {**RECENT, "at_least": 2}},
        ", at stay_until: found 'at least 2 orders in the last 30 days', which does not follow",
        ["a looser rule"],
    ),
    "stay_until without effect": (
        {**RECENT, "stay_until": {**RECENT, "at_least": 1.0}},
        ", at stay_until: found a rule that has no effect",
        ["a looser rule, or no stay_until"],
    ),
    "stay_until that only rearranges": (
        {"all": [RECENT, nested(1)], "stay_until": {"any": [RECENT]}},
        ", at stay_until: found a rule that has no effect",
        ["a looser rule, or no stay_until"],
    ),
}


@pytest.mark.parametrize("case", BAD_RULES)
def test_a_bad_rule_names_segment_place_and_what_is_allowed(
    project: GrammarProject, case: str
) -> None:
    rule, finding, offers = BAD_RULES[case]
    message = project.complaint(VALIDATE, with_segments({"fine_one": RECENT, "bad_one": rule}))
    assert "Segment 'bad_one' in var rule_segments" in message
    assert finding in message
    assert message.count("Allowed: ") == 1
    allowed = message.split("Allowed: ")[1].split("\n")[0]
    for offer in offers:
        assert offer in allowed


# The var as a whole, and what the message must say.
BAD_SEGMENTS: dict[str, tuple[Any, list[str]]] = {
    "a list": ([RECENT], ["Var rule_segments", "found [a mapping", "a mapping from the key"]),
    "key with a capital": (
        {"Recent": RECENT},
        ["Segment 'Recent'", "at its key", "lower-case letters, digits and _"],
    ),
    "key with a quote": ({"a'b": RECENT}, ["at its key: found 'a'b'", "lower-case letters"]),
    "cycle of three": (
        {
            "outside": {"segment": "rule:one"},
            "one": {"all": [RECENT, {"segment": "rule:two"}]},
            "two": {"any": [RECENT, {"segment": "rule:three"}]},
            "three": {"segment": "rule:one"},
        },
        ["cycle of references", "one -> two -> three -> one", "no segment twice"],
    ),
    "cycle through stay_until": (
        {
            "one": {**RECENT, "stay_until": {"segment": "rule:two"}},
            "two": {"segment": "rule:one"},
        },
        ["cycle of references", "one -> two -> one"],
    ),
    "stay_until under not": (
        {
            "stayers": {**RECENT, "stay_until": {**RECENT, "window_days": 60}},
            "others": {"all": [RECENT, {"not": {"any": [{"segment": "rule:stayers"}]}}]},
        },
        [
            "Segment 'others'",
            "at all[1].not.any[0].segment",
            "'rule:stayers' under not",
            "without stay_until",
        ],
    ),
    "references that multiply": (
        {
            "doubled_00": RECENT,
            **{
                f"doubled_{i:02}": {"any": [{"segment": f"rule:doubled_{i - 1:02}"}] * 2}
                for i in range(1, 25)
            },
        },
        ["Segment 'doubled_", "more than 500 conditions", "at most 500"],
    ),
    "references too deep": (
        {
            "chained_00": RECENT,
            **{f"chained_{i:02}": {"segment": f"rule:chained_{i - 1:02}"} for i in range(1, 60)},
        },
        ["Segment 'chained_41'", "more than 40 levels", "at most 40"],
    ),
}


@pytest.mark.parametrize("case", BAD_SEGMENTS)
def test_a_bad_list_of_segments_is_refused(project: GrammarProject, case: str) -> None:
    segments, fragments = BAD_SEGMENTS[case]
    message = project.complaint(VALIDATE, with_segments(segments))
    for fragment in fragments:
        assert fragment in message
    assert message.count("Allowed: ") == 1


# Changes to metric `orders` (None removes the key) and what the message must say.
BAD_METRICS: dict[str, tuple[Rule, list[str]]] = {
    "table": (
        {"table": "order"},
        ["at table: found 'order'. Did you mean orders?", "orders, lines, events, sessions"],
    ),
    "aggregate": (
        {"aggregate": "cuont"},
        ["at aggregate: found 'cuont'", "count, sum, mean, min, max, count_distinct"],
    ),
    "value missing": (
        {"aggregate": "sum"},
        ["at value: found nothing", "a column of orders, because aggregate is sum"],
    ),
    "value too much": (
        {"value": "amount"},
        ["at value: found 'amount'", "no value, because aggregate is count"],
    ),
    "value is SQL": (
        {"aggregate": "sum", "value": "amount) + (1"},
        ["at value: found 'amount) + (1'", "the name of a column of the table"],
    ),
    "filter": (
        {"filter": True},
        ["at filter: found true", "an SQL condition over the columns of the table"],
    ),
    "absent": ({"absent": 1}, ["at absent: found 1", "0 or null"]),
    "absent is false": ({"absent": False}, ["at absent: found false", "0 or null"]),
    "unit missing": (
        {"unit": None},
        ["at unit: found nothing", "table, aggregate, absent, unit, description"],
    ),
    "unknown key": (
        {"fliter": "x"},
        ["at fliter: found an unknown key. Did you mean filter?", "value, filter"],
    ),
}


@pytest.mark.parametrize("case", BAD_METRICS)
def test_a_bad_metric_names_metric_key_and_what_is_allowed(
    project: GrammarProject, case: str
) -> None:
    changes, fragments = BAD_METRICS[case]
    metric = {
        key: value for key, value in METRICS["orders"].items() if changes.get(key, 0) is not None
    }
    metric |= {key: value for key, value in changes.items() if value is not None}
    message = project.complaint(
        "{% set checked = metrics() %}", {"metrics": {**METRICS, "orders": metric}}
    )
    assert "Metric 'orders' in var metrics" in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize(
    "reads",
    [
        {"aggregate": "mean", "value": "topic_04"},
        {"aggregate": "count", "filter": "main_topic = 'topic_04'"},
    ],
)
def test_a_metric_of_topics_reads_the_table_topics(project: GrammarProject, reads: Rule) -> None:
    metrics = {"shipping": {**METRICS["orders"], "table": "topics", **reads}}
    if "filter" not in reads:
        del metrics["shipping"]["filter"]
    assert project.value("metrics().shipping.table", {"metrics": metrics}) == "topics"
    metrics["shipping"]["table"] = "tickets"
    message = project.complaint("{{ metrics() }}", {"metrics": metrics})
    assert "Metric 'shipping' in var metrics, at table: found 'tickets'. Allowed: topics" in message


def test_a_bad_metric_name_and_a_bad_feature_window_are_refused(project: GrammarProject) -> None:
    message = project.complaint("{{ metrics() }}", {"metrics": {"Orders": METRICS["orders"]}})
    assert "Metric 'Orders' in var metrics, at its name: found 'Orders'" in message
    windows = [{"metric": "orders", "window_days": 30}, {"metric": "order", "window_days": 30}]
    message = project.complaint(
        "{{ metric_windows() }}", with_segments({}, feature_windows=windows)
    )
    assert "Var feature_windows, at [1].metric: found 'order'. Did you mean orders?" in message


@pytest.mark.slow  # test_builds_bad_input.py: a bad rule stops a build of the real project
def test_a_bad_rule_stops_dbt_parse(project: GrammarProject) -> None:
    model = "{% set segments = rule_segments() %} select 1 as number"
    bad = {"bad_one": {"metric": "orders", "window_days": 30, "at_lest": 1}}
    message = project.parse_complaint(model, with_segments(bad))
    assert "Segment 'bad_one' in var rule_segments, at at_lest: found an unknown key" in message


# --- What comes out ------------------------------------------------------------------------------


def test_segments_are_completed_and_sorted(project: GrammarProject) -> None:
    group = {"any": [RECENT, {"all": [{"segment": "rfm:loyal"}, {"not": {"segment": "rule:b"}}]}]}
    segments = {
        "recent_buyers": {**RECENT, "owner": "crm", "stay_until": {**RECENT, "window_days": 60}},
        "b": {"metric": "revenue", "from_days_ago": 365, "to_days_ago": 90, "between": [2, 5.5]},
        "a": {**group, "name": "A or so", "description": "Mine"},
        "c": {
            "all": [
                {"attribute": "age_band", "in": ["25-34", 35]},
                {"segment": "rule:recent_buyers"},
                {"metric": "session_minutes", "window_days": 1, "top_percent": 2.5},
            ]
        },
    }
    checked = project.value("rule_segments()", with_segments(segments))
    assert [segment["segment"] for segment in checked] == ["a", "b", "c", "recent_buyers"]
    assert (checked[0]["name"], checked[0]["description"]) == ("A or so", "Mine")
    assert (checked[3]["name"], checked[3]["owner"]) == ("Recent buyers", "crm")
    assert checked[3]["segment_key"] == "rule:recent_buyers"
    assert checked[3]["stay_until"]["column"] == "orders__60d"
    assert [segment["definition"] for segment in checked] == [
        "any orders in the last 30 days or (in rfm:loyal and not (in rule:b))",
        "revenue from 365 to 90 days ago between 2 and 5.5",
        (
            "age band one of 25-34, 35 and in rule:recent_buyers by its entry rule and "
            "session minutes in the last 1 day in the top 2.5%"
        ),
        "any orders in the last 30 days; stays while any orders in the last 60 days",
    ]
    assert checked[1]["description"] is None
    cuts = project.value("percentile_cuts()", with_segments(segments))
    assert cuts == [
        {
            "cut_column": "session_minutes__1d__top_2_5",
            "column": "session_minutes__1d",
            "quantile": 0.975,
            "first": None,
            "is_mean": False,
            "is_rounded": False,
            "scheme": "rule",
            "metric": "session_minutes__1d__top_2_5",
            "cut_number": 1,
        }
    ]


def test_each_window_is_listed_once(project: GrammarProject) -> None:
    segments = {
        "one": RECENT,
        "two": {"metric": "orders", "from_days_ago": 30, "to_days_ago": 0, "at_most": 3},
        "three": {"all": [RECENT, {"metric": "orders", "more_than": 5}]},
        "four": {**RECENT, "stay_until": {**RECENT, "window_days": 60}},
    }
    features = [
        {"metric": "revenue", "from_days_ago": 365, "to_days_ago": 90},
        {"metric": "returns"},
        {"metric": "devices", "window_days": 7},
    ]
    returns = {**METRICS["orders"], "filter": "not is_completed"}
    variables = with_segments(segments, feature_windows=features)
    variables["metrics"] = {**METRICS, "returns": returns}
    windows = project.value("metric_windows()", variables)
    columns = [window["column"] for window in windows]
    core = project.value("core_columns()", variables)
    assert len(columns) == len(set(columns))
    assert [column for column in columns if column not in core] == [
        "devices__7d",
        "orders__30d",
        "orders__60d",
        "returns__all",
    ]
    assert windows[columns.index("revenue__365d_to_90d")] == {
        "metric": "revenue",
        "from_days_ago": 365,
        "to_days_ago": 90,
        "column": "revenue__365d_to_90d",
    }


def test_what_is_made_of_the_checked_rules_leaves_them_as_they_are(project: GrammarProject) -> None:
    stayed = {"any": [RECENT, {"metric": "revenue", "top_percent": 5}], "owner": "crm"}
    stayed["stay_until"] = {"any": [{**RECENT, "window_days": 60}, stayed["any"][1]]}
    segments = {"stayed": stayed, "other": {"not": {"segment": "rfm:loyal"}}}
    uses = ["rule_reason(rule_segments()[1])", "percentile_cuts()", "metric_windows()"]
    uses += ["matching_segments(rule_segments())"]
    uses += ["matching_segments(rule_segments()[1:], 'stay_until')"]
    made = project.value(
        f"[tojson(rule_segments()), {', '.join(uses)}, tojson(rule_segments()),"
        " tojson(checked_segments({}).rules)]",
        with_segments(segments),
    )
    assert made[0] == made[-2] == made[-1]


@pytest.mark.parametrize("segments", [{}, None])
def test_no_rules_give_no_rows_of_the_right_type(project: GrammarProject, segments: Any) -> None:
    variables = with_segments(segments)
    assert project.value("rule_segments() + percentile_cuts()", variables) == []
    sql = project.render("{{ matching_segments(rule_segments()) }}", variables)
    result = duckdb.sql(f"select features.x, {sql} as segment_key from range(5) as features(x)")
    assert result.fetchall() == []
    assert [str(kind) for kind in result.types] == ["BIGINT", "VARCHAR"]


# --- What the SQL means --------------------------------------------------------------------------

WINDOWS: list[Rule] = [
    {},
    {"window_days": 1},
    {"window_days": 7},
    {"window_days": 30},
    {"window_days": 90},
    {"from_days_ago": 90, "to_days_ago": 30},
    {"from_days_ago": 30, "to_days_ago": 7},
]
ATTRIBUTES: dict[str, list[Any]] = {
    "region": ["North", "O'Hara", "back\\slash", "x') or true --", "", None],
    "household_size": ["1", "2", "3", "5+", "many", None],
}
CONSENTS = {
    f"consent_to_{purpose}": ["granted", "withdrawn", "unstated"]
    for purpose in ("segmentation", "activation")
}
SCORES: dict[str, list[float | None]] = {
    "churn_risk": [0.0, 0.25, 0.5, 1 / 3, 0.9, None],
    "momentum_score": [-1.0, -0.5, 0.0, 0.25, 1.0, None],
}
SCHEMES = {
    "rfm": ["champions", "loyal", None],
    "value_tier": ["high", "none"],
    "cluster": ["c01", "it's", None],
}
PERIODS = [date(2026, 3, 29), date(2026, 4, 1)]


def random_condition(rng: random.Random, earlier: list[str]) -> Rule:
    kind = rng.random()
    if kind < 0.15:
        attribute = rng.choice(list(ATTRIBUTES))
        values = [value for value in ATTRIBUTES[attribute] if value is not None]
        if rng.random() < 0.2:
            return {"attribute": attribute, "is_known": rng.random() < 0.5}
        if attribute == "household_size" and rng.random() < 0.5:
            return {"attribute": attribute, **random_limit(rng, [0, 1, 2, 2.5, 5])}
        if attribute == "region" and rng.random() < 0.2:
            return {"attribute": attribute, "equals": rng.choice(values)}
        listed = rng.sample(values, rng.randint(1, 2))
        return {"attribute": attribute, rng.choice(["in", "in", "not_in"]): listed}
    if kind < 0.25:
        scheme = rng.choice(list(SCHEMES))
        return {"segment": f"{scheme}:{rng.choice([each for each in SCHEMES[scheme] if each])}"}
    if kind < 0.28:
        consent = {"consent": rng.choice(["segmentation", "activation"])}
        states = [{}, {"is": "granted"}, {"is": "withdrawn"}, {"is": "unstated"}]
        return consent | rng.choice(states)
    if kind < 0.3:
        salt = rng.choice([{}, {"salt": "spring"}, {"salt": "o'hara"}])
        return {"sample_percent": rng.choice([10, 33.3, 50.0])} | salt
    if kind < 0.37 and earlier:
        return {"segment": f"rule:{rng.choice(earlier)}"}
    limits: list[float] = [-3.5, 0, 1, 2, 3, 5, 10, 12.25, 40]
    rule = {"metric": rng.choice(list(METRICS)), **rng.choice(WINDOWS)}
    if kind < 0.43:
        rule, limits = {"score": rng.choice(list(SCORES))}, [-0.5, 0, 0.25, 0.5, 0.9]
    if kind % 0.1 < 0.03:
        return rule | {rng.choice(["top_percent", "bottom_percent"]): rng.choice([10, 25.0, 2.5])}
    if kind % 0.1 < 0.04:
        return rule | rng.choice([{"top": 3}, {"top": 20}, {"top": 9999}])
    if kind % 0.1 < 0.05:
        return rule | {rng.choice(["above", "below"]): rng.choice(["mean", "median"])}
    if kind % 0.1 < 0.055 and METRICS.get(rule.get("metric", ""), {}).get("absent") != 0:
        return rule | {"is_known": rng.random() < 0.5}
    return rule | random_limit(rng, limits)


def random_limit(rng: random.Random, limits: list[float]) -> Rule:
    limit = rng.choice(limits)
    if rng.random() < 0.2:
        return {"between": [limit, limit + rng.choice([0, 2, 20.5])]}
    return {rng.choice(["at_least", "at_most", "more_than", "less_than", "equals"]): limit}


def random_rule(rng: random.Random, earlier: list[str], depth: int = 0) -> Rule:
    kind = rng.random()
    if depth == 3 or kind < 0.3:
        return random_condition(rng, earlier)
    if kind < 0.45:
        return {"not": random_rule(rng, earlier, depth + 1)}
    parts = [random_rule(rng, earlier, depth + 1) for _ in range(rng.randint(1, 3))]
    return {"all" if kind < 0.72 else "any": parts}


def random_customer(rng: random.Random) -> Customer:
    def day() -> date:
        # Dense around the edges of windows and periods; some rows lie on or after as_of.
        return PERIODS[1] - timedelta(
            days=rng.choice([-1, 0, 1, 2, 3, 4, 7, 8, 10, 30, 31, 90, 91, 200])
        )

    orders = []
    for _ in range(rng.choice([0, 0, 1, 2, 4, 12])):
        completed = rng.random() < 0.7
        amount = Decimal(rng.randint(0, 2000)) / 100 * (1 if completed else -2)
        orders.append({"day": day(), "amount": amount, "is_completed": completed})
    sessions = []
    for _ in range(rng.choice([0, 1, 3, 8])):
        minutes = rng.choice([None, 0.0, 0.25, 1.5, 12.25, 20.0])
        sessions.append({"day": day(), "minutes": minutes, "device": rng.choice(["a", "b", None])})
    listed = ATTRIBUTES | CONSENTS
    attributes = {name: rng.choice(values) for name, values in listed.items()}
    schemes = {name: rng.choice(values) for name, values in SCHEMES.items()}
    scores = {name: rng.choice(values) for name, values in SCORES.items()}
    rows = {"orders": orders, "sessions": sessions, "events": []}
    return Customer(rows, attributes, scores, schemes)


@dataclass
class World:
    """Random customers, in Python and in DuckDB, and the macros' SQL run on them."""

    customers: list[Customer]
    definitions: dict[str, Rule]
    features: dict[tuple[int, date], dict[str, Any]]
    conditions: dict[tuple[int, date], dict[str, bool]]
    matches: set[tuple[int, date, str]]
    reasons: dict[tuple[int, date], dict[str, str | None]]

    def value(self, number: int, as_of: date, name: str, window: Window) -> Any:
        if name in SCORES:
            return self.customers[number].scores[name]
        metric = METRICS[name]
        keep = FILTERS[metric.get("filter")]
        return metric_value(self.customers[number], name, metric, window, as_of, keep)

    def cut(self, as_of: date, name: str, window: Window, operator: str, limit: Any) -> Any:
        values = [self.value(i, as_of, name, window) for i in range(len(self.customers))]
        return fitted_limit(values, operator, limit)

    def verdict(self, rule: Rule, number: int, as_of: date, cuts: dict[Any, Any]) -> bool | None:
        def cut(*key: Any) -> Any:
            if (as_of, *key) not in cuts:
                cuts[(as_of, *key)] = self.cut(as_of, *key)
            return cuts[(as_of, *key)]

        return evaluate(
            rule,
            f"c{number}",
            self.customers[number],
            lambda name, window: self.value(number, as_of, name, window),
            cut,
            self.definitions,
        )


WORLD_TEMPLATE = """
{% set declared = metrics() %}{% set segments = rule_segments() %}
{% set windows = [] %}{% for window in metric_windows() %}{% do windows.append({
    'column': window.column, 'table': declared[window.metric].table,
    'aggregate': metric_aggregate(declared[window.metric], window),
    'absent': metric_absent(declared[window.metric], window.column)}) %}{% endfor %}
{% set rules = [] %}{% for segment in segments %}{% do rules.append({
    'key': segment.segment, 'condition': rule_condition(segment.rule),
    'reason': rule_reason(segment)}) %}{% endfor %}
{% set cuts = [] %}{% for cut in percentile_cuts(segments) %}{% do cuts.append(
    percentile_value(cut) ~ ' as ' ~ cut.cut_column) %}{% endfor %}
{{ tojson({'windows': windows, 'rules': rules, 'cuts': cuts,
    'matching': matching_segments(segments)}) }}
"""


@pytest.fixture(scope="module")
def world(project: GrammarProject) -> World:
    rng = random.Random(20261121)
    definitions: dict[str, Rule] = {}
    for number in range(2000 if "ALL_EXAMPLES" in os.environ else 300):
        # References of references have a limit, so chains begin anew.
        earlier = list(definitions)[number // 300 * 300 :][-40:]
        definitions[f"rule_{number:03}"] = random_rule(rng, earlier)
    customers = [random_customer(rng) for _ in range(150)]
    built = json.loads(project.render(WORLD_TEMPLATE, with_segments(definitions)))

    connection = duckdb.connect()
    run = connection.execute
    run("create table periods (as_of date)")
    run("create table orders (id int, day date, amount decimal(18, 2), is_completed boolean)")
    run("create table sessions (id int, day date, minutes double, device varchar)")
    run("create table customers (id int, customer_id varchar, region varchar, "
        "household_size varchar, "
        "consent_to_segmentation varchar, consent_to_activation varchar, "
        "churn_risk double, momentum_score double, rfm varchar, value_tier varchar, "
        "cluster varchar)")  # fmt: skip
    connection.executemany("insert into periods values (?)", [[each] for each in PERIODS])
    for number, customer in enumerate(customers):
        for table in ("orders", "sessions"):
            for row in customer.rows[table]:
                run(f"insert into {table} values (?, ?, ?, ?)", [number, *row.values()])
        values = [*customer.attributes.values(), *customer.scores.values()]
        values += customer.schemes.values()
        run(
            "insert into customers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [number, f"c{number}", *values],
        )

    for table in ("orders", "sessions"):
        columns = [w for w in built["windows"] if w["table"] == table]
        listed = ", ".join(f"{each['aggregate']} as {each['column']}" for each in columns)
        run(f"create table {table}_windows as select id, as_of, {listed} from {table} "
            f"inner join periods on day < as_of group by id, as_of")  # fmt: skip
    listed = ", ".join(f"{each['absent']} as {each['column']}" for each in built["windows"])
    run(f"create table features as select customers.*, periods.as_of, {listed} from customers "
        "cross join periods left join orders_windows using (id, as_of) "
        "left join sessions_windows using (id, as_of)")  # fmt: skip
    listed = ", ".join(built["cuts"])
    run(f"create table cutpoints as select as_of, {listed} from features group by as_of")

    joined = "from features inner join cutpoints on features.as_of = cutpoints.as_of"
    keys = [each["key"] for each in built["rules"]]

    def by_customer(column: str) -> dict[tuple[int, date], dict[str, Any]]:
        listed = ", ".join(each[column] for each in built["rules"])
        rows = run(f"select features.id, features.as_of, {listed} {joined}").fetchall()
        return {row[:2]: dict(zip(keys, row[2:], strict=True)) for row in rows}

    features = run("select * from features")
    names = [column[0] for column in features.description]
    rows = [dict(zip(names, row, strict=True)) for row in features.fetchall()]
    matches = run(f"select features.id, features.as_of, {built['matching']} {joined}").fetchall()
    return World(
        customers,
        definitions,
        {(row["id"], row["as_of"]): row for row in rows},
        by_customer("condition"),
        set(matches),
        by_customer("reason"),
    )


def metric_conditions(rule: Rule) -> list[Rule]:
    if "metric" in rule:
        return [rule]
    parts = rule.get("all", rule.get("any", [rule["not"]] if "not" in rule else []))
    return [condition for part in parts for condition in metric_conditions(part)]


def test_metric_columns_equal_a_count_by_hand(world: World) -> None:
    conditions = [each for rule in world.definitions.values() for each in metric_conditions(rule)]
    pairs = {(each["metric"], window_of(each)) for each in conditions}
    assert len(pairs) > 50, "the generator no longer covers metrics and windows"
    for (number, as_of), row in world.features.items():
        for metric, window in pairs:
            expected = world.value(number, as_of, metric, window)
            assert row[column_of(metric, window)] == expected, (metric, window, number, as_of)


def test_conditions_equal_an_independent_evaluation(world: World) -> None:
    cuts: dict[Any, Any] = {}
    seen = {True: 0, False: 0, None: 0}
    for (number, as_of), held in world.conditions.items():
        for key, rule in world.definitions.items():
            expected = world.verdict(rule, number, as_of, cuts)
            assert held[key] is (expected is True), (key, rule, number, as_of)
            seen[expected] += 1
    # All three outcomes occur often, so that a null taken for false would be noticed.
    assert min(seen.values()) > 5000, seen


def test_matching_segments_are_those_whose_condition_holds(world: World) -> None:
    expected = {
        (*who, f"rule:{key}")
        for who, held in world.conditions.items()
        for key, holds in held.items()
        if holds
    }
    assert world.matches == expected


def test_every_member_has_a_reason(world: World) -> None:
    for who, held in world.conditions.items():
        for key, holds in held.items():
            if holds:
                reason = world.reasons[who][key]
                assert reason, (key, world.definitions[key])
                assert len(reason) <= 200
                # No clause is empty; the last may be, where the text was cut off.
                assert all(reason.split("; ")[:-1]), (key, reason)


# --- stay_until ----------------------------------------------------------------------------------

BUYER = {"metric": "orders", "window_days": 30, "at_least": 3}
SPENDER = {"metric": "revenue", "window_days": 30, "more_than": 100}
TOP = {"metric": "session_minutes", "top_percent": 10}
NORTH = {"attribute": "region", "in": ["North", "South"]}
LOYAL = {"segment": "rfm:loyal"}

# Entry rule, stay_until, whether the second follows from the first.
IMPLICATIONS: list[tuple[Rule, Rule, bool]] = [
    (BUYER, {**BUYER, "at_least": 2}, True),
    (BUYER, {**BUYER, "at_least": 4}, False),
    ({"all": [BUYER, SPENDER]}, {**BUYER, "at_least": 1}, True),
    ({"any": [BUYER, SPENDER]}, {**BUYER, "at_least": 1}, False),
    (BUYER, {"any": [BUYER, SPENDER]}, True),
    (BUYER, {"all": [BUYER, SPENDER]}, False),
    ({"any": [{**BUYER, "at_least": 9}, {**BUYER, "at_least": 5}]}, BUYER, True),
    (SPENDER, {"metric": "revenue", "window_days": 30, "at_least": 100}, True),
    ({"metric": "revenue", "window_days": 30, "at_least": 100}, SPENDER, False),
    ({"metric": "orders", "between": [2, 3]}, {"metric": "orders", "between": [1, 3]}, True),
    ({"metric": "orders", "between": [2, 3]}, {"metric": "orders", "at_most": 2}, False),
    ({"metric": "orders", "between": [2, 3]}, {"metric": "orders", "less_than": 4}, True),
    # Counts grow with their window; sums and means need not.
    (BUYER, {**BUYER, "window_days": 60}, True),
    (BUYER, {**BUYER, "window_days": 20}, False),
    (BUYER, {"metric": "orders", "at_least": 3}, True),
    (BUYER, {"metric": "orders", "from_days_ago": 60, "to_days_ago": 1, "at_least": 3}, False),
    (SPENDER, {**SPENDER, "window_days": 60}, False),
    # `devices` is null for customers without sessions, so a narrower window may be null.
    (
        {"metric": "orders", "window_days": 60, "at_most": 1},
        {"metric": "orders", "window_days": 30, "at_most": 1},
        True,
    ),
    (
        {"metric": "devices", "window_days": 60, "at_most": 1},
        {"metric": "devices", "window_days": 30, "at_most": 1},
        False,
    ),
    (TOP, {**TOP, "top_percent": 20}, True),
    (TOP, {**TOP, "top_percent": 5}, False),
    (TOP, {"metric": "session_minutes", "bottom_percent": 20}, False),
    (TOP, {"metric": "session_minutes", "more_than": 0}, True),
    (TOP, {"metric": "session_minutes", "at_least": 1}, False),
    ({"metric": "session_minutes", "more_than": 50}, TOP, False),
    ({"metric": "orders", "equals": 3}, {"metric": "orders", "at_least": 3}, True),
    ({"metric": "orders", "equals": 3}, {"metric": "orders", "between": [1, 2]}, False),
    ({"metric": "orders", "at_least": 3}, {"metric": "orders", "equals": 3}, False),
    ({"score": "churn_risk", "at_least": 0.7}, {"score": "churn_risk", "more_than": 0.5}, True),
    ({"score": "churn_risk", "at_least": 0.7}, {"score": "loyalty_score", "at_least": 0.5}, False),
    ({"metric": "orders", "top": 5}, {"metric": "orders", "top": 9}, True),
    ({"metric": "orders", "top": 9}, {"metric": "orders", "top": 5}, False),
    ({"metric": "orders", "top": 9}, {"metric": "orders", "at_least": 0}, True),
    ({"metric": "orders", "above": "mean"}, {"metric": "orders", "above": "median"}, False),
    ({"metric": "orders", "above": "mean"}, {"metric": "orders", "below": "mean"}, False),
    ({"metric": "orders", "below": "mean"}, {"metric": "orders", "more_than": 0}, True),
    ({"sample_percent": 5}, {"sample_percent": 10}, True),
    ({"sample_percent": 10}, {"sample_percent": 5}, False),
    ({"sample_percent": 5}, {"sample_percent": 10, "salt": "spring"}, False),
    ({"score": "churn_risk", "top_percent": 5}, {"score": "churn_risk", "top_percent": 9}, True),
    ({"score": "churn_risk", "at_least": 0.7}, {"score": "churn_risk", "is_known": True}, True),
    ({"score": "churn_risk", "is_known": True}, {"score": "churn_risk", "at_least": 0}, False),
    ({"score": "churn_risk", "at_most": 1}, {"score": "churn_risk", "is_known": False}, False),
    ({"metric": "recency_days", "at_least": 3}, {"metric": "recency_days", "is_known": True}, True),
    (
        {"attribute": "household_size", "at_least": 3},
        {"attribute": "household_size", "at_least": 2},
        True,
    ),
    # As texts, 3 is neither more nor less than 2.
    (
        {"attribute": "household_size", "in": [3]},
        {"attribute": "household_size", "at_least": 2},
        False,
    ),
    ({"attribute": "region", "equals": "North"}, NORTH, True),
    (NORTH, {"attribute": "region", "not_in": ["East"]}, True),
    (NORTH, {"attribute": "region", "not_in": ["East", "North"]}, False),
    (
        {"attribute": "region", "not_in": ["East", "West"]},
        {"attribute": "region", "not_in": ["East"]},
        True,
    ),
    ({"attribute": "region", "not_in": ["East"]}, NORTH, False),
    (NORTH, {"attribute": "region", "is_known": True}, True),
    ({"attribute": "region", "in": ["North"]}, NORTH, True),
    (NORTH, {"attribute": "region", "in": ["North"]}, False),
    ({"consent": "activation"}, {"consent": "activation", "is": "granted"}, True),
    ({"consent": "activation"}, {"consent": "segmentation"}, False),
    ({"consent": "activation"}, {"consent": "activation", "is": "unstated"}, False),
    (LOYAL, {"any": [LOYAL, {"segment": "rfm:champions"}]}, True),
    (LOYAL, {"segment": "rfm:champions"}, False),
    # Under not, less is more: nothing but equality is trusted.
    ({"all": [{"not": BUYER}, LOYAL]}, {"not": BUYER}, True),
    ({"not": {**BUYER, "at_least": 2}}, {"not": BUYER}, False),
    # References are followed.
    ({"segment": "rule:base"}, {**BUYER, "at_least": 1}, True),
    ({**BUYER, "at_least": 7}, {"segment": "rule:base"}, True),
    ({"all": [SPENDER, {"segment": "rule:base"}]}, {"segment": "rule:base"}, True),
]


def test_a_looser_stay_until_is_recognised(project: GrammarProject) -> None:
    segments: dict[str, Rule] = {"base": BUYER}
    for number, (strict, loose, _) in enumerate(IMPLICATIONS):
        segments |= {f"strict_{number:03}": strict, f"loose_{number:03}": loose}
    found = implications(project, segments, len(IMPLICATIONS))
    for (strict, loose, expected), follows in zip(IMPLICATIONS, found, strict=True):
        assert follows is expected, (strict, loose)


def implications(project: GrammarProject, segments: dict[str, Rule], count: int) -> list[bool]:
    template = """
    {% set rules = {} %}{% for segment in rule_segments() %}
        {% do rules.update({segment.segment: segment.rule}) %}{% endfor %}
    {% set found = [] %}{% set grammar = {'metrics': metrics()} %}
    {% for number in range(COUNT) %}{% do found.append(rule_implies(
        grammar, rules['strict_%03d' % number], rules['loose_%03d' % number])) %}{% endfor %}
    {{ tojson(found) }}""".replace("COUNT", str(count))
    return list(json.loads(project.render(template, with_segments(segments))))


def altered(rng: random.Random, rule: Rule) -> Rule:
    """The rule with something changed at random, often into a looser one."""
    rule = copy.deepcopy(rule)
    if "not" in rule:
        return {"not": altered(rng, rule["not"])}
    for kind in ("all", "any"):
        if kind in rule:
            parts = [altered(rng, part) for part in rule[kind]]
            if len(parts) > 1 and rng.random() < 0.4:
                parts.pop(rng.randrange(len(parts)))
            return {rng.choice([kind, kind, "any"]): parts}
    if "metric" in rule and rng.random() < 0.3:
        kept = {
            k: v
            for k, v in rule.items()
            if k not in ("window_days", "from_days_ago", "to_days_ago")
        }
        return kept | rng.choice(WINDOWS)
    if "attribute" in rule and rng.random() < 0.3:
        return {"attribute": rule["attribute"], "is_known": True}
    if {"in", "not_in"} & set(rule) and rng.random() < 0.7:
        values = [value for value in ATTRIBUTES[rule["attribute"]] if value is not None]
        listed = rng.sample(values, rng.randint(1, len(values)))
        return {"attribute": rule["attribute"], rng.choice(["in", "not_in"]): listed}
    shift = rng.choice([-2, -1, 0, 0, 1, 2])
    for name in ("at_least", "at_most", "more_than", "less_than", "equals"):
        if name in rule and isinstance(rule[name], int | float):
            opposite = {"at_least": "more_than", "more_than": "at_least", "equals": "at_least"}
            new = opposite.get(name, name) if rng.random() < 0.3 else name
            return {k: v for k, v in rule.items() if k != name} | {new: rule[name] + shift}
    return rule


def test_what_is_taken_for_looser_never_fails_where_the_entry_holds(
    project: GrammarProject, world: World
) -> None:
    rng = random.Random(7)
    pairs = []
    for _ in range(400):
        strict = random_rule(rng, [], depth=rng.choice([1, 2, 3]))
        pairs.append((strict, altered(rng, strict)))
    segments: dict[str, Rule] = {}
    for number, (strict, loose) in enumerate(pairs):
        segments |= {f"strict_{number:03}": strict, f"loose_{number:03}": loose}
    found = implications(project, segments, len(pairs))
    told = [
        pair for pair, follows in zip(pairs, found, strict=True) if follows and pair[0] != pair[1]
    ]
    assert len(told) > 60, "too few implications to prove anything"
    cuts: dict[Any, Any] = {}
    for strict, loose in told:
        for number, as_of in world.conditions:
            if world.verdict(strict, number, as_of, cuts) is True:
                assert world.verdict(loose, number, as_of, cuts) is True, (strict, loose)


# --- Reasons -------------------------------------------------------------------------------------

ROW = {
    "orders__30d": "2",
    "orders__60d": "1",
    "orders__365d_to_90d": "4",
    "orders__7d": "0",
    "revenue__all": "cast(1234.5 as decimal(38, 2))",
    "session_minutes__30d": "cast(41.0 as double)",
    "mean_minutes__all": "10.0 / 3",
    "recency_days__all": "cast(null as bigint)",
    "region": "'North'",
    "country": "cast(null as varchar)",
    "household_size": "'5+'",
    "churn_risk": "0.7251",
    "customer_id": "'c3'",
    "consent_to_activation": "'granted'",
    "consent_to_segmentation": "'unstated'",
    "rfm": "'champions'",
    "lifecycle": "'active'",
}
CUTS = {"session_minutes__30d__top_25": "cast(12.0 as double)", "orders__7d__top_5": "null"}
CUTS |= {"session_minutes__30d__mean": "12.5::double", "revenue__all__first_50": "900::double"}
NO_ORDER = {"metric": "orders", "window_days": 7, "at_least": 1}

REASONS: list[tuple[Rule, str]] = [
    (RECENT, "orders in the last 30 days: 2 (at least 1)"),
    ({"metric": "revenue", "more_than": 1000.5}, "revenue: 1234.50 (more than 1000.5)"),
    (
        {"metric": "orders", "from_days_ago": 365, "to_days_ago": 90, "between": [2, 5]},
        "orders from 365 to 90 days ago: 4 (between 2 and 5)",
    ),
    (
        {"metric": "session_minutes", "window_days": 30, "top_percent": 25},
        "session minutes in the last 30 days: 41.0 (top 25%, at least 12.0)",
    ),
    ({"metric": "mean_minutes", "less_than": 4}, "mean minutes: 3.33 (less than 4)"),
    (
        {"attribute": "region", "in": ["North", "O'Hara"]},
        "region: North (one of North, O'Hara)",
    ),
    ({"attribute": "region", "equals": "North"}, "region: North (equal to North)"),
    ({"attribute": "region", "not_in": ["South"]}, "region: North (none of South)"),
    ({"attribute": "region", "is_known": True}, "region known"),
    ({"attribute": "country", "is_known": False}, "country unknown"),
    ({"not": {"attribute": "country", "is_known": True}}, "not: country known"),
    ({"metric": "recency_days", "is_known": False}, "recency days unknown"),
    (
        {"metric": "orders", "window_days": 30, "equals": 2},
        "orders in the last 30 days: 2 (equal to 2)",
    ),
    ({"attribute": "household_size", "at_least": 4}, "household size: 5+ (at least 4)"),
    ({"score": "churn_risk", "at_least": 0.7}, "churn risk: 0.73 (at least 0.7)"),
    (
        {"metric": "session_minutes", "window_days": 30, "above": "mean"},
        "session minutes in the last 30 days: 41.0 (above the mean, more than 12.5)",
    ),
    ({"metric": "revenue", "top": 50}, "revenue: 1234.50 (top 50, at least 900.0)"),
    ({"sample_percent": 60}, "random number: 31.53 (less than 60 of 100)"),
    (
        {"not": {"sample_percent": 5, "salt": "spring"}},
        "not: random number of spring: 11.58 (less than 5 of 100)",
    ),
    ({"consent": "activation"}, "consent to activation granted"),
    ({"not": {"consent": "segmentation"}}, "not: consent to segmentation granted"),
    ({"segment": "rfm:champions"}, "in rfm:champions"),
    ({"segment": "rule:base"}, "in rule:base"),
    ({"segment": "rule:stayed"}, "in rule:stayed by its entry rule"),
    ({"not": NO_ORDER}, "not: orders in the last 7 days: 0 (at least 1)"),
    ({"not": {"segment": "lifecycle:new"}}, "not: in lifecycle:new"),
    (
        {"not": {"metric": "orders", "window_days": 7, "top_percent": 5}},
        "not: orders in the last 7 days: 0 (top 5%, at least no limit yet)",
    ),
    ({"not": {"not": RECENT}}, "orders in the last 30 days: 2 (at least 1)"),
    (
        {"all": [RECENT, {"any": [NO_ORDER, {"segment": "rfm:champions"}]}]},
        "orders in the last 30 days: 2 (at least 1); in rfm:champions",
    ),
    # The first half of a group that failed is no reason.
    (
        {"any": [{"all": [RECENT, NO_ORDER]}, {"segment": "rfm:champions"}]},
        "in rfm:champions",
    ),
    (
        {
            "not": {
                "all": [
                    RECENT,
                    {"any": [NO_ORDER, {"metric": "recency_days", "at_most": 3}]},
                    NO_ORDER,
                ]
            }
        },
        "not: orders in the last 7 days: 0 (at least 1)",
    ),
    # Only the stay rule holds.
    (
        {
            "metric": "orders",
            "window_days": 7,
            "at_least": 1,
            "stay_until": {"metric": "orders", "window_days": 60, "at_least": 1},
        },
        "stays: orders in the last 60 days: 1 (at least 1)",
    ),
    (
        {"all": [{"attribute": "region", "in": ["North", "x" * 250]}]},
        "region: North (one of North, " + "x" * 171,
    ),
]


def test_reasons_read_well(project: GrammarProject) -> None:
    stayed = {**RECENT, "stay_until": {**RECENT, "window_days": 60}}
    segments = {"base": RECENT, "stayed": stayed}
    segments |= {f"case_{number:02}": rule for number, (rule, _) in enumerate(REASONS)}
    template = (
        "{% set reasons = [] %}"
        "{% for segment in rule_segments() if segment.segment[:5] == 'case_' %}"
        "{% do reasons.append(rule_reason(segment)) %}{% endfor %}{{ tojson(reasons) }}"
    )
    reasons = json.loads(project.render(template, with_segments(segments)))
    features, cutpoints = (
        "select " + ", ".join(f"{sql} as {name}" for name, sql in columns.items())
        for columns in (ROW, CUTS)
    )
    query = f"select {', '.join(reasons)} from ({features}) features, ({cutpoints}) cutpoints"
    found = duckdb.sql(query).fetchall()[0]
    assert list(found) == [expected for _, expected in REASONS]


# --- Time ----------------------------------------------------------------------------------------


def test_200_rules_compile_in_seconds(project: GrammarProject) -> None:
    def rule(number: int) -> Rule:
        alternatives = [
            {"metric": "revenue", "window_days": 90, "more_than": number + 0.5},
            {"attribute": "region", "in": ["North", "South"]},
            {"metric": "session_minutes", "window_days": 30, "top_percent": 1 + number % 99},
        ]
        parts = [
            {"metric": "orders", "window_days": 30 + number, "at_least": 1},
            {"any": alternatives},
            {"not": {"segment": "rfm:champions"}},
        ]
        previous = [{"segment": f"rule:number_{number - 1:03}"}] if number % 10 else []
        return {
            "all": parts + previous,
            "stay_until": {"metric": "orders", "window_days": 60 + number, "at_least": 1},
        }

    segments = {f"number_{number:03}": rule(number) for number in range(200)}
    template = "{% set rules = rule_segments() %}{{ matching_segments(rules) }}"
    started = time.process_time()
    sql = project.render(template, with_segments(segments))
    seconds = time.process_time() - started
    assert sql.count("case when") == 200
    # One rendering takes 1 to 2 s of CPU here, a third of it spent on reading the long --vars.
    assert seconds < 5
