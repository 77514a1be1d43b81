"""The rule grammar: what it refuses, what its SQL means, its reasons, its speed."""

import copy
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from time import process_time
from typing import Any

import duckdb
import pandas as pd
import pytest
from rule_grammar_evaluator import (
    CALENDAR,
    WINDOW_KEYS,
    Customer,
    Meaning,
    Row,
    Rule,
    anniversary,
    date_holds,
    fitted_limit,
    is_answer,
    moment_of,
    unit_of,
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
    "tenure_days": {
        "table": "orders",
        "aggregate": "days_since_first",
        "filter": "is_completed",
        "absent": None,
    },
    "first_move_days": {"table": "orders", "aggregate": "days_since_first", "absent": None},
    "lines": {"table": "lines", "aggregate": "count", "filter": "is_completed", "absent": 0},
    "categories": {
        "table": "lines",
        "aggregate": "count_distinct",
        "value": "category",
        "filter": "is_completed",
        "absent": 0,
    },
    "discount_affinity": {
        "table": "lines",
        "aggregate": "share",
        "filter": "case when is_completed then is_discounted end",
        "absent": None,
    },
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
    "share_of_a": {
        "table": "sessions",
        "aggregate": "share",
        "filter": "device = 'a'",
        "absent": None,
    },
    "actions": {"table": "events", "aggregate": "count", "absent": 0},
    "views": {"table": "events", "aggregate": "count", "filter": "role = 'view'", "absent": 0},
    "carts": {"table": "events", "aggregate": "count_days", "filter": "role = 'cart'", "absent": 0},
    "contacts": {
        "table": "touchpoints",
        "aggregate": "count",
        "filter": "kind = 'campaign_contact'",
        "absent": 0,
    },
    "responses": {
        "table": "touchpoints",
        "aggregate": "count",
        "filter": "kind = 'campaign_response'",
        "absent": 0,
    },
    "review_rating": {
        "table": "touchpoints",
        "aggregate": "mean",
        "value": "rating",
        "filter": "kind = 'review'",
        "absent": None,
    },
    "complaints": {
        "table": "tickets",
        "aggregate": "count",
        "filter": "sentiment < 0",
        "absent": 0,
    },
    "mood": {"table": "tickets", "aggregate": "mean", "value": "sentiment", "absent": None},
}
METRICS = {name: {**metric, **TEXTS} for name, metric in METRICS.items()}
# Each filter again as a function, so that the evaluator needs no SQL.
FILTERS: dict[str | None, Callable[[Row], bool | None]] = {
    "is_completed": lambda row: row["is_completed"],
    "is_completed or amount < -20": lambda row: row["is_completed"] or row["amount"] < -20,
    "case when is_completed then is_discounted end": lambda row: (
        row["is_discounted"] if row["is_completed"] else None
    ),
    "device = 'a'": lambda row: None if row["device"] is None else row["device"] == "a",
    "sentiment < 0": lambda row: None if row["sentiment"] is None else row["sentiment"] < 0,
    None: lambda row: True,
}
FILTERS |= {
    f"{column} = '{value}'": lambda row, column=column, value=value: row[column] == value
    for column, values in {
        "role": ["view", "cart"],
        "kind": ["campaign_contact", "campaign_response", "review"],
    }.items()
    for value in values
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
KINDS = "exactly one of all, any, not, metric, score, attribute, consent, date, sequence, "
KINDS += "bought_together, prediction, prediction_decile, segment, sample_percent"
ONE_WINDOW = "one window, or none for all time; windows are window_days, from_days_ago, to_days_ago"
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
    "too deep to read": (nested(40), "found groups nested more than 10 deep.", ["at most 10"]),
    "too long": (
        {"any": [RECENT] * 100_000},
        ", at any[500]: found more than 500 conditions.",
        ["at most 500", "one condition"],
    ),
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
        ", at since: found an unknown key, since windows are counted from as_of: "
        "{window_days: 30}, {from_days_ago: 60, to_days_ago: 30} or {month: last}; "
        "dates of a customer: {date: first_order, after: ..}. Did you mean window_days?",
        ["window_days, from_days_ago, to_days_ago"],
    ),
    "a date of an attribute": (
        {"attribute": "region", "in": ["North"], "after": "2024-01-01"},
        ", at after: found an unknown key, since windows are counted from as_of",
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
    "where that is no mapping": (
        {"metric": "lines", "where": ["Wine"], "at_least": 1},
        ", at where: found ['Wine'].",
        ["a mapping from columns of the table to values"],
    ),
    "where of nothing": (
        {"metric": "lines", "where": {}, "at_least": 1},
        ", at where: found an empty mapping.",
        ["a mapping from columns of the table to values"],
    ),
    "column that is SQL": (
        {"metric": "lines", "where": {"amount > 1 or category": "Wine"}, "at_least": 1},
        ", at where: found 'amount > 1 or category'.",
        ["lower-case letters, digits and _"],
    ),
    "value that is null": (
        {"metric": "lines", "where": {"category": None}, "at_least": 1},
        ", at where.category: found null.",
        ["a text, a number, true or false"],
    ),
    "no values": (
        {"metric": "lines", "where": {"category": []}, "at_least": 1},
        ", at where.category: found an empty list.",
        ["a list of texts or one of numbers"],
    ),
    "texts and numbers": (
        {"metric": "lines", "where": {"category": ["Wine", 7]}, "at_least": 1},
        ", at where.category: found ['Wine', 7].",
        ["a list of texts or one of numbers"],
    ),
    "two operators of a column": (
        {"metric": "lines", "where": {"amount": {"at_least": 1, "at_most": 5}}, "at_least": 1},
        ", at where.amount: found a mapping with the keys at_least, at_most.",
        ["at_least, at_most, more_than, less_than, between, not_in"],
    ),
    "unknown operator of a column": (
        {"metric": "lines", "where": {"amount": {"top_percent": 5}}, "at_least": 1},
        ", at where.amount: found a mapping with the keys top_percent.",
        ["at_least, at_most, more_than, less_than, between, not_in"],
    ),
    "text where a column is compared": (
        {"metric": "lines", "where": {"amount": {"at_least": "5"}}, "at_least": 1},
        ", at where.amount.at_least: found '5'.",
        [NUMBER],
    ),
    "two windows of other kinds": (
        {"metric": "orders", "week": "last", "window_hours": 6, "at_least": 1},
        "found a second window beside it.",
        ["window_hours", "week", "any_days"],
    ),
    "first and last": (
        {"metric": "orders", "first": 1, "last": 1, "at_least": 1},
        "found a second window beside it.",
        ["first, last"],
    ),
    "a week of another name": (
        {"metric": "orders", "week": "next", "at_least": 1},
        ", at week: found 'next'.",
        ["this, last"],
    ),
    "half an hour": (
        {"metric": "orders", "window_hours": 0.5, "at_least": 1},
        ", at window_hours: found 0.5.",
        ["a whole number of hours from 1"],
    ),
    "hours of lines": (
        {"metric": "lines", "window_hours": 6, "at_least": 1},
        ", at window_hours: found window_hours beside a metric of lines.",
        ["orders, events, sessions"],
    ),
    "first 0": (
        {"metric": "orders", "first": 0, "at_least": 1},
        ", at first: found 0.",
        ["a whole number of", "from 1 to 1000"],
    ),
    "first of sessions": (
        {"metric": "session_minutes", "first": 3, "at_least": 1},
        ", at first: found first beside a metric of sessions.",
        ["orders, lines", "touchpoints, tickets"],
    ),
    "any days of a mean": (
        {"metric": "mean_minutes", "any_days": 7, "at_least": 1},
        ", at any_days: found any_days beside a metric whose aggregate is mean.",
        ["counts rows or days, or sums"],
    ),
    "too many days": (
        {"metric": "orders", "any_days": 3651, "at_least": 1},
        ", at any_days: found 3651.",
        ["from 1 to 3650"],
    ),
    "factor 0": (
        {"metric": "orders", "more_than": {"metric": "orders", "factor": 0}},
        ", at more_than.factor: found 0.",
        ["a number above 0"],
    ),
    "unknown metric to compare with": (
        {"metric": "orders", "more_than": {"metric": "ordres"}},
        ", at more_than.metric: found 'ordres'. Did you mean orders?",
        [ALL_METRICS],
    ),
    "two windows to compare with": (
        {"metric": "orders", "more_than": {"metric": "orders", "week": "this", "month": "this"}},
        "found a second window beside it.",
        ["week, month"],
    ),
    "operator in what is compared with": (
        {"metric": "orders", "more_than": {"metric": "orders", "at_least": 3}},
        ", at more_than.at_least: found an unknown key.",
        ["metric, window_days", "where, factor"],
    ),
    "equal to a metric": (
        {"metric": "orders", "equals": {"metric": "purchase_days"}},
        ", at equals: found a mapping with the keys metric.",
        [NUMBER],
    ),
    "unknown date": (
        {"date": "first_oder", "days_ago": 3},
        ", at date: found 'first_oder'. Did you mean first_order or last_order?",
        ["signed_up, first_order, last_order, birthday"],
    ),
    "date of no calendar": (
        {"date": "first_order", "after": "2026-02-30"},
        ", at after: found '2026-02-30'.",
        ["a date of the calendar as 'YYYY-MM-DD'"],
    ),
    "date in words": (
        {"date": "last_order", "before": "last week"},
        ", at before: found 'last week'.",
        ["a date of the calendar as 'YYYY-MM-DD'"],
    ),
    "date of a birthday": (
        {"date": "birthday", "days_ago": [0, 7]},
        ": found no operator.",
        ["exactly one of anniversary_in_days, is_known"],
    ),
    "days ago backwards": (
        {"date": "first_order", "days_ago": [30, 7]},
        ", at days_ago: found [30, 7].",
        ["least <= most"],
    ),
    "three days ago": (
        {"date": "first_order", "days_ago": [1, 2, 3]},
        ", at days_ago: found [1, 2, 3].",
        ["[least, most]"],
    ),
    "anniversary in two years": (
        {"date": "first_order", "anniversary_in_days": 366},
        ", at anniversary_in_days: found 366.",
        ["from 0 to 365"],
    ),
    "two operators of a date": (
        {"date": "first_order", "after": "2026-01-01", "before": "2026-02-01"},
        ", at after and before: found 2 operators.",
        ["days_ago, after, before, anniversary_in_days, is_known"],
    ),
    "sequence of one step": (
        {"sequence": ["orders"], "within_days": 7},
        ", at sequence: found ",
        ["two to five steps"],
    ),
    "sequence of six steps": (
        {"sequence": ["orders"] * 6, "within_days": 7},
        ", at sequence: found ",
        ["two to five steps"],
    ),
    "sequence without days": (
        {"sequence": ["orders", "lines"]},
        ", at within_days: found null.",
        ["a whole number of days"],
    ),
    "unknown step": (
        {"sequence": ["orders", "sesions"], "within_days": 7},
        ", at sequence[1].metric: found 'sesions'.",
        [ALL_METRICS],
    ),
    "step with a window": (
        {"sequence": ["orders", {"metric": "lines", "last": 3}], "within_days": 7},
        ", at sequence[1].last: found an unknown key.",
        ["metric, where, first"],
    ),
    "share as a step": (
        {"sequence": ["orders", "share_of_a"], "within_days": 7},
        ", at sequence[1]: found share_of_a",
        ["a metric of rows"],
    ),
    "not before the last step": (
        {"sequence": [{"not": "orders"}, "lines"], "within_days": 7},
        ", at sequence[0].not: found an unknown key.",
        ["metric, where, first"],
    ),
    "not after two steps": (
        {"sequence": ["orders", "views", {"not": "lines"}], "within_days": 7},
        ", at sequence: found not after more than one step.",
        ["the second of two steps"],
    ),
    "hours of a sequence": (
        {"sequence": ["orders", "lines"], "within_days": 7, "window_hours": 6},
        ", at window_hours: found an unknown key.",
        ["window_days, from_days_ago, to_days_ago"],
    ),
    "bought alone": (
        {"bought_together": [{"category": "Wine"}]},
        ", at bought_together: found ",
        ["two to five mappings"],
    ),
    "bought together by name": (
        {"bought_together": ["Wine", "Cheese"]},
        ", at bought_together[0]: found 'Wine'.",
        ["a mapping from columns of the table to values"],
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


EXPECTED = {
    **TEXTS,
    "table": "lifetime_values",
    "aggregate": "max",
    "value": "expected_value",
    "absent": None,
}


@pytest.mark.parametrize(
    "window",
    [
        {"window_days": 30},
        {"from_days_ago": 60, "to_days_ago": 30},
        {"window_hours": 6},
        {"month": "last"},
        {"first": 2},
        {"any_days": 7},
    ],
)
def test_a_figure_of_the_date_takes_no_window(project: GrammarProject, window: Rule) -> None:
    rule = {"metric": "expected", "at_least": 100}
    given = with_segments({"good": rule}, metrics={**METRICS, "expected": EXPECTED})
    (segment,) = project.value("rule_segments()", given)
    assert [window["column"] for window in segment["conditions"][0]["windows"]] == ["expected__all"]
    given["rule_segments"] = {"bad_one": {**rule, **window}}
    message = project.complaint(VALIDATE, given)
    (key, *_) = window
    assert f"Segment 'bad_one' in var rule_segments, at {key}: found {key} beside" in message
    assert "Allowed: no window, because lifetime_values has one value per as_of" in message


def test_a_figure_of_the_date_is_no_step_and_no_feature_over_a_window(
    project: GrammarProject,
) -> None:
    given = with_segments({}, metrics={**METRICS, "expected": EXPECTED})
    column = "window_of_column('expected__{}', metrics()) is none"
    assert project.value(column.format("90d"), given) is True
    assert project.value(column.format("all"), given) is False
    given["rule_segments"] = {"bad_one": {"sequence": ["orders", "expected"], "within_days": 9}}
    message = project.complaint(VALIDATE, given)
    assert "expected, which is a share, or made of topics or lifetime values" in message


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


def test_rows_windows_and_other_metrics_are_put_into_words(project: GrammarProject) -> None:
    before = {"metric": "revenue", "from_days_ago": 180, "to_days_ago": 90, "factor": 1.2}
    segments = {
        "a": {**RECENT, "where": {"coupon": "SPRING10"}, "at_least": 2},
        "b": {"metric": "revenue", "window_days": 90, "at_least": before},
    }
    checked = project.value("rule_segments()", with_segments(segments))
    assert [segment["definition"] for segment in checked] == [
        "at least 2 orders (coupon SPRING10) in the last 30 days",
        "revenue in the last 90 days at least 1.2 times revenue from 180 to 90 days ago",
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
    window = windows[columns.index("revenue__365d_to_90d")]
    assert (window["metric"], window["table"]) == ("revenue", "orders")
    assert (window["from_days_ago"], window["to_days_ago"]) == (365, 90)


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
CALENDAR_WINDOWS = [{unit: which} for unit in CALENDAR for which in ("this", "last")]
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
# The last day before the first is a Sunday, and before the second the last of a quarter.
PERIODS = [date(2026, 3, 30), date(2026, 4, 1)]

# Columns that `where` may name, with values of the rows. Texts such as 10.0 can be read as numbers.
CAMPAIGNS: dict[str, list[Any]] = {
    "channel": ["web", "shop", None],
    "campaign_id": ["k1", "k2", None],
    "coupon": ["SPRING10", "O'Hara", "10", "10.0", "7", "nan", "", None],
}
COLUMNS: dict[str, dict[str, list[Any]]] = {
    "orders": {
        **CAMPAIGNS,
        "amount": [0.1, 5, 12.25],
        "hour": [0, 7, 18],
        "is_completed": [True, False],
    },
    "lines": {
        **CAMPAIGNS,
        "product_id": ["10", "p2", "p3"],
        "name": ["Brie", "Port", None],
        "category": ["Wine", "Cheese", "O'Hara", None],
        "subcategory": ["red", "white", None],
        "brand": ["7", "Own", None],
        "quantity": [1, 2, 7, None],
        "amount": [0.1, 5, 12.25],
        "is_discounted": [True, False, None],
    },
    "events": {"role": ["view", "cart", "buy"], "product_id": ["10", "p2", None], "hour": [0, 7]},
    "sessions": {
        "device": ["a", "b", None],
        "minutes": [0.0, 0.25, 1.5, 12.25, 20.0, None],
        "hour": [0, 7, 18],
    },
    "touchpoints": {
        "kind": ["campaign_contact", "campaign_response", "review"],
        "rating": [1, 2, 4.5, None],
        "campaign_id": ["k1", "k2", "k3"],
        "campaign_type": ["mail", "7", None],
        "response_type": ["click", "open", None],
        "is_answered": [True, False],
    },
    "tickets": {"channel": ["mail", "phone", None], "sentiment": [-1, -0.5, 0, 0.5, None]},
}
COUNTS_UNITS = ("orders", "lines", "tickets", "touchpoints")
NEVER = date(9999, 12, 31)


def random_window(rng: random.Random, metric: Rule) -> Rule:
    kinds: list[list[Rule]] = [WINDOWS, WINDOWS, CALENDAR_WINDOWS]
    if "hour" in COLUMNS[metric["table"]]:
        kinds.append([{"window_hours": hours} for hours in (1, 6, 24, 30, 168)])
    if metric["table"] in COUNTS_UNITS:
        kinds.append([{side: n} for side in ("first", "last") for n in (1, 2, 3, 5)])
    if metric["aggregate"] in ("count", "count_days", "sum"):
        kinds.append([{"any_days": days} for days in (1, 2, 7, 30)])
    return rng.choice(rng.choice(kinds))


def random_where(rng: random.Random, table: str) -> Rule:
    columns = rng.sample(list(COLUMNS[table]), rng.choice([1, 1, 1, 2]))
    return {column: random_test(rng, COLUMNS[table][column]) for column in columns}


def random_test(rng: random.Random, column: list[Any]) -> Any:
    values: list[Any] = [value for value in column if value is not None]
    if isinstance(values[0], bool):
        return rng.choice(values)
    has_numbers = any(str(value).isdigit() for value in values)
    if all(isinstance(value, int) for value in values) and rng.random() < 0.1:
        values = [str(value) for value in values]
    elif not isinstance(values[0], str):
        values.append(2)
    elif rng.random() < (0.4 if has_numbers else 0.03):
        values = [7, 10, 9.5]
    if not isinstance(values[0], str) and rng.random() < 0.5:
        return random_limit(rng, values, equals=False)
    listed = rng.sample(values, rng.randint(1, 2))
    return rng.choice([listed[0], listed[0], listed, {"not_in": listed}])


def random_limit(rng: random.Random, limits: list[float], equals: bool = True) -> Rule:
    limit = rng.choice(limits)
    if rng.random() < 0.2:
        return {"between": [limit, limit + rng.choice([0, 2, 20.5])]}
    operators = ["at_least", "at_most", "more_than", "less_than", "equals"]
    return {rng.choice(operators if equals else operators[:-1]): limit}


def random_measure(rng: random.Random) -> Rule:
    name = rng.choice(list(METRICS))
    where = {"where": random_where(rng, METRICS[name]["table"])} if rng.random() < 0.5 else {}
    return {"metric": name, **where, **random_window(rng, METRICS[name])}


def random_step(rng: random.Random, names: list[str]) -> Any:
    name = rng.choice(names)
    if rng.random() < 0.6:
        return name
    table = METRICS[name]["table"]
    step: Rule = {"metric": name}
    if rng.random() < 0.5:
        step["where"] = random_where(rng, table)
    if table in COUNTS_UNITS and rng.random() < 0.3:
        step["first"] = rng.choice([1, 2, 3])
    return step


def random_pattern(rng: random.Random) -> Rule:
    window = rng.choice([{}, rng.choice(WINDOWS)])
    if rng.random() < 0.2:
        wheres = [random_where(rng, "lines") for _ in range(rng.choice([2, 2, 2, 3]))]
        return {"bought_together": wheres, **window}
    tables = rng.choice([["orders"], ["orders", "events", "lines"], list(COLUMNS)])
    names = [
        name
        for name, metric in METRICS.items()
        if metric["table"] in tables and metric["aggregate"] != "share"
    ]
    steps = [random_step(rng, names) for _ in range(rng.choice([2, 2, 2, 2, 3, 4, 5]))]
    if len(steps) == 2 and rng.random() < 0.4:
        steps[1] = {"not": steps[1]}
    return {
        "sequence": steps,
        "within_days": rng.choice([1, 7, 30, 90]),
        **window,
    }


def random_date(rng: random.Random) -> Rule:
    name = rng.choice(["first_order", "last_order", "signed_up", "birthday"])
    low = rng.choice([0, 1, 3, 8, 30])
    tests: list[Rule] = [
        {"is_known": rng.random() < 0.5},
        {"anniversary_in_days": rng.choice([0, 1, 7, 60, 300, 365])},
        {"days_ago": [low, low + rng.choice([0, 2, 60])]},
        {"days_ago": rng.choice([1, 3, 31])},
        {"after": rng.choice(["2025-12-31", "2026-03-01", "2026-03-28"])},
        {"before": rng.choice(["2025-12-31", "2026-03-01", "2026-03-28"])},
    ]
    return {"date": name, **rng.choice(tests[:2] if name == "birthday" else tests)}


# Each becomes a column of the wide table, so rules draw from a stock of them.
ALL_EXAMPLES = "ALL_EXAMPLES" in os.environ
RULES, CUSTOMERS = 2000 if ALL_EXAMPLES else 300, 150
STOCK = random.Random(20261130)
PLAIN = [{"metric": name, **window} for name in METRICS for window in WINDOWS]
MEASURES = PLAIN + [random_measure(STOCK) for _ in range(800 if ALL_EXAMPLES else 200)]
PATTERNS = [random_pattern(STOCK) for _ in range(150 if ALL_EXAMPLES else 40)]


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
    if kind < 0.43:
        return random_date(rng)
    if kind < 0.49:
        return copy.deepcopy(rng.choice(PATTERNS))
    limits: list[float] = [-3.5, 0, 1, 2, 3, 5, 10, 12.25, 40]
    # Windows of days keep their share, because most implications are between them.
    rule = copy.deepcopy(rng.choice(rng.choice([PLAIN, MEASURES])))
    if kind < 0.53:
        rule, limits = {"score": rng.choice(list(SCORES))}, [-0.5, 0, 0.25, 0.5, 0.9]
    if kind % 0.1 < 0.03:
        return rule | {rng.choice(["top_percent", "bottom_percent"]): rng.choice([10, 25.0, 2.5])}
    if kind % 0.1 < 0.04:
        return rule | rng.choice([{"top": 3}, {"top": 20}, {"top": 9999}])
    if kind % 0.1 < 0.05:
        return rule | {rng.choice(["above", "below"]): rng.choice(["mean", "median"])}
    if kind % 0.1 < 0.055 and METRICS.get(rule.get("metric", ""), {}).get("absent") != 0:
        return rule | {"is_known": rng.random() < 0.5}
    if kind % 0.1 < 0.07 and "metric" in rule:
        return rule | random_operand(rng, rule)
    return rule | random_limit(rng, limits)


def random_operand(rng: random.Random, rule: Rule) -> Rule:
    # Values of one metric over two windows are often equal, where factors matter.
    alike = [each for each in MEASURES if each["metric"] == rule["metric"]]
    operand = copy.deepcopy(rng.choice(rng.choice([alike, MEASURES])))
    factor = rng.choice([{}, {"factor": 1.1}, {"factor": 2}, {"factor": 0.5}, {"factor": 1e-6}])
    return {rng.choice(["at_least", "at_most", "more_than", "less_than"]): operand | factor}


def random_rule(rng: random.Random, earlier: list[str], depth: int = 0) -> Rule:
    kind = rng.random()
    if depth == 3 or kind < 0.3:
        return random_condition(rng, earlier)
    if kind < 0.45:
        return {"not": random_rule(rng, earlier, depth + 1)}
    parts = [random_rule(rng, earlier, depth + 1) for _ in range(rng.randint(1, 3))]
    return {"all" if kind < 0.72 else "any": parts}


# Dense around the edges of windows, calendar units and periods; some rows lie on or after as_of.
DAYS = [
    PERIODS[1] - timedelta(days=ago)
    for ago in (-1, 0, 1, 2, 3, 4, 7, 8, 9, 10, 16, 17, 30, 31, 32, 59, 60, 90, 91, 182, 183, 456)
]
TIMES = [time(0), time(7, 30), time(18, 30), time(23, 59, 59)]


def random_customer(rng: random.Random, number: int) -> Customer:
    def row(table: str, day: date, **others: Any) -> Row:
        picked = {column: rng.choice(values) for column, values in COLUMNS[table].items()}
        key = 1000 * number + len(rows[table])
        rows[table].append({**picked, "row_key": key, "day": day, **others})
        return rows[table][-1]

    def moments(numbers: list[int]) -> list[datetime]:
        chosen = range(rng.choice(numbers))
        return sorted(datetime.combine(rng.choice(DAYS), rng.choice(TIMES)) for _ in chosen)

    def days(most: int) -> list[date]:
        # No two on one day, because their order would be a matter of the hash.
        return rng.sample(DAYS, rng.randint(0, most))

    def attribution(day: date) -> Row:
        begin = day + timedelta(days=rng.choice([0, 0, 0, 1, 9]))
        end = rng.choice([NEVER, NEVER, NEVER, begin + timedelta(days=20)])
        return {"attributed_from": begin, "attributed_until": end}

    rows: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    for order_key, moment in enumerate(dict.fromkeys(moments([0, 0, 1, 2, 4, 12])), 100 * number):
        completed = rng.random() < 0.7
        cents = rng.choice([10, 500, 1225, rng.randint(0, 2000)]) * (1 if completed else -2)
        order = row(
            "orders",
            moment.date(),
            order_key=order_key,
            ordered_at=moment,
            hour=moment.hour,
            amount=Decimal(cents).scaleb(-2),
            is_completed=completed,
        )
        shared = ("order_key", "ordered_at", "is_completed", *CAMPAIGNS)
        for _ in range(rng.choice([0, 1, 3, 6])):
            cents = rng.choice([10, 500, 1225])
            copied = {column: order[column] for column in shared}
            row("lines", moment.date(), **copied, amount=Decimal(cents).scaleb(-2))
    for position, moment in enumerate(moments([0, 1, 4, 12]), 1):
        day = moment.date()
        row(
            "events",
            day,
            occurred_at=moment,
            position=position,
            hour=moment.hour,
            **attribution(day),
        )
    for moment in moments([0, 1, 3, 8]):
        row("sessions", moment.date(), hour=moment.hour, **attribution(moment.date()))
    for kind in COLUMNS["touchpoints"]["kind"]:
        for day in days(5):
            if kind == "review":
                row("touchpoints", day, kind=kind, campaign_id=None)
                continue
            campaign = rng.choice(COLUMNS["touchpoints"]["campaign_id"])
            for _ in range(rng.choice([1, 1, 2])):
                row("touchpoints", day, kind=kind, campaign_id=campaign, rating=None)
    for day in days(4):
        row("tickets", day)
    listed = ATTRIBUTES | CONSENTS
    return Customer(
        f"c{number}",
        rows,
        {name: rng.choice(values) for name, values in listed.items()},
        {name: rng.choice(values) for name, values in SCORES.items()},
        {name: rng.choice(values) for name, values in SCHEMES.items()},
        signed_up=rng.choice([None, *DAYS]),
        born_on=rng.choice([None, date(1980, 2, 29), date(1990, 4, 1), date(1999, 12, 30)]),
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}")


def order(key: int, at: str, **others: Any) -> Row:
    """An order or one of its lines."""
    row = dict.fromkeys(COLUMNS["orders"] | COLUMNS["lines"]) | {"row_key": key, "order_key": key}
    row |= {"ordered_at": moment(at), "day": moment(at).date(), "hour": moment(at).hour}
    return row | {"amount": Decimal("10.00"), "is_completed": True, **others}


def touch(kind: str, day: int, campaign: str) -> Row:
    row = dict.fromkeys(COLUMNS["touchpoints"]) | {"row_key": day, "day": date(2026, 3, day)}
    return row | {"kind": f"campaign_{kind}", "campaign_id": campaign}


def cart(at: str, position: int = 1) -> Row:
    row = dict.fromkeys(COLUMNS["events"]) | {"row_key": position, "position": position}
    row |= {"day": moment(at).date(), "occurred_at": moment(at), "hour": moment(at).hour}
    return row | {"role": "cart"}


WINE, CHEESE = {"category": "Wine"}, {"category": "Cheese"}
LAST_WINE = {"metric": "lines", "where": WINE, "last": 1, "at_least": 1}
UNANSWERED = {"metric": "contacts", "where": {"is_answered": True}, "last": 2, "at_most": 0}
CART_LEFT = {"sequence": ["carts", {"not": "orders"}], "within_days": 1}
CART_TO_ORDER = {"sequence": ["carts", "orders"], "within_days": 1}
TOGETHER = {"bought_together": [WINE, CHEESE], "window_days": 30}

# Rows by table, a rule and whether it holds on 1 April 2026, by the words of docs/rules.md.
WORKED: list[tuple[dict[str, list[Row]], Rule, bool]] = [
    # The last order has wine, an earlier one, or one that was returned.
    ({"lines": [order(1, "02 09:00") | CHEESE, order(2, "05 09:00") | WINE]}, LAST_WINE, True),
    ({"lines": [order(1, "02 09:00") | WINE, order(2, "05 09:00") | CHEESE]}, LAST_WINE, False),
    (
        {
            "lines": [
                order(1, "02 09:00") | WINE,
                order(2, "05 09:00", is_completed=False) | CHEESE,
            ]
        },
        LAST_WINE,
        True,
    ),
    # An order at exactly midnight has no time, so it is the last of its day.
    ({"lines": [order(1, "05 00:00") | WINE, order(2, "05 09:00") | CHEESE]}, LAST_WINE, True),
    # The last order alone: its one line has a discount, whatever the first order had.
    (
        {
            "lines": [
                order(1, "02 09:00", is_discounted=True),
                order(1, "02 09:00", is_discounted=False),
                order(2, "05 09:00", is_discounted=True),
            ]
        },
        {"metric": "discount_affinity", "last": 1, "equals": 1},
        True,
    ),
    # Both last sends unanswered; one answered on its day; one answered before it was sent.
    ({"touchpoints": [touch("contact", 2, "k1"), touch("contact", 3, "k2")]}, UNANSWERED, True),
    ({"touchpoints": [touch("contact", 2, "k1"), touch("response", 2, "k1")]}, UNANSWERED, False),
    ({"touchpoints": [touch("contact", 2, "k1"), touch("response", 1, "k1")]}, UNANSWERED, True),
    # Two rows of one campaign and day are one send, so the answered one is still among the last 2.
    (
        {
            "touchpoints": [
                touch("contact", 2, "k1"),
                touch("response", 2, "k1"),
                touch("contact", 3, "k2"),
                touch("contact", 3, "k2"),
            ]
        },
        UNANSWERED,
        False,
    ),
    # A cart, no order within a day; an order; an order before; the day is not over on 1 April.
    ({"events": [cart("20 10:00")]}, CART_LEFT, True),
    ({"events": [cart("20 10:00")], "orders": [order(1, "21 23:00")]}, CART_LEFT, False),
    ({"events": [cart("20 10:00")], "orders": [order(1, "20 09:00")]}, CART_LEFT, True),
    ({"events": [cart("30 10:00")]}, CART_LEFT, True),
    ({"events": [cart("31 10:00")]}, CART_LEFT, False),
    # Later on the same day; at the instant of the cart; at midnight, which is the end of the day.
    ({"events": [cart("20 10:00")], "orders": [order(1, "20 10:01")]}, CART_TO_ORDER, True),
    ({"events": [cart("20 10:00")], "orders": [order(1, "20 10:00")]}, CART_TO_ORDER, True),
    ({"events": [cart("20 10:00")], "orders": [order(1, "20 00:00")]}, CART_TO_ORDER, True),
    ({"events": [cart("20 10:00")], "orders": [order(1, "22 00:00")]}, CART_TO_ORDER, False),
    # Events of one instant are in the order of their positions.
    (
        {"events": [cart("20 10:00", 1), cart("20 10:00", 2)]},
        {"sequence": ["carts", "carts"], "within_days": 0},
        True,
    ),
    # By day, the same day is after, but not in one table.
    (
        {"orders": [order(1, "20 18:00")], "touchpoints": [touch("contact", 20, "k1")]},
        {"sequence": ["orders", "contacts"], "within_days": 0},
        True,
    ),
    (
        {"touchpoints": [touch("contact", 20, "k1"), touch("response", 20, "k1")]},
        {"sequence": ["contacts", "responses"], "within_days": 7},
        False,
    ),
    # In one order, in two, in one that was returned, in one too long ago.
    ({"lines": [order(1, "20 10:00") | WINE, order(1, "20 10:00") | CHEESE]}, TOGETHER, True),
    ({"lines": [order(1, "20 10:00") | WINE, order(2, "20 11:00") | CHEESE]}, TOGETHER, False),
    (
        {"lines": [order(1, "20 10:00", is_completed=False) | each for each in (WINE, CHEESE)]},
        TOGETHER,
        False,
    ),
    ({"lines": [order(1, "01 10:00") | WINE, order(1, "01 10:00") | CHEESE]}, TOGETHER, False),
    # The last six hours begin at 18:00.
    (
        {"orders": [order(1, "31 18:00")]},
        {"metric": "orders", "window_hours": 6, "at_least": 1},
        True,
    ),
    (
        {"orders": [order(1, "31 17:59")]},
        {"metric": "orders", "window_hours": 6, "at_least": 1},
        False,
    ),
    # The last day before 1 April is a Tuesday: this week began on Monday, this month on 1 March.
    ({"orders": [order(1, "30 00:00")]}, {"metric": "orders", "week": "this", "at_least": 1}, True),
    ({"orders": [order(1, "29 23:00")]}, {"metric": "orders", "week": "last", "at_least": 1}, True),
    ({"orders": [order(1, "01 00:00")]}, {"metric": "orders", "month": "this", "equals": 1}, True),
    # Three orders in two days, and two a week later.
    (
        {"orders": [order(n, f"{n:02} 10:00") for n in (1, 2, 3, 10, 11)]},
        {"metric": "orders", "any_days": 2, "equals": 2},
        True,
    ),
    (
        {"orders": [order(n, f"{n:02} 10:00") for n in (1, 2, 3, 10, 11)]},
        {"metric": "orders", "any_days": 3, "equals": 3},
        True,
    ),
    # 11 is at least, but not more than, 1.1 times 10.
    (
        {"orders": [order(n, f"{n + 1:02} 10:00") for n in range(21)]},
        {
            "metric": "orders",
            "from_days_ago": 31,
            "to_days_ago": 20,
            "at_least": {
                "metric": "orders",
                "from_days_ago": 20,
                "to_days_ago": 10,
                "factor": 1.1,
            },
        },
        True,
    ),
]


# Columns of int_facts__<table> beside those of COLUMNS.
FACTS = {
    "orders": {"order_key": "bigint", "placed_at": "timestamp"},
    "lines": {"order_key": "bigint", "placed_at": "timestamp", "is_completed": "boolean"},
    "events": {"occurred_at": "timestamp", "position": "bigint"},
    "sessions": {},
    "touchpoints": {"touchpoint_key": "varchar"},
    "tickets": {"ticket_key": "bigint"},
}
TYPES = {
    "amount": "decimal(18, 2)",
    "rating": "decimal(18, 2)",
    "sentiment": "decimal(9, 6)",
    "minutes": "double",
}


def column_type(name: str, values: list[Any]) -> str:
    if name in TYPES:
        return TYPES[name]
    return {str: "varchar", bool: "boolean", int: "bigint"}[type(values[0])]


def facts(customer: Customer, table: str) -> list[Row]:
    """The rows of a customer as int_facts__<table> has them."""
    found = []
    for row in customer.rows[table]:
        unit = str(unit_of(table, row)) if table == "touchpoints" else row["row_key"]
        fact = {"attributed_from": row["day"], "attributed_until": NEVER, **row}
        fact |= {"placed_at": moment_of(row), "touchpoint_key": unit, "ticket_key": unit}
        if table != "touchpoints":
            found.append(fact)
            continue
        # A contact that is answered later is two rows, as is an abandoned cart that is bought.
        answers = [other["day"] for other in customer.rows[table] if is_answer(other, row)]
        answered_on = min(answers, default=NEVER)
        is_contact = row["kind"] == "campaign_contact"
        if answered_on > row["day"]:
            unanswered = False if is_contact else None
            found.append(fact | {"attributed_until": answered_on, "is_answered": unanswered})
        if answered_on < NEVER:
            found.append(fact | {"attributed_from": answered_on, "is_answered": True})
    return found


@dataclass
class World:
    """Random customers, in Python and in DuckDB, and the macros' SQL run on them.

    columns: that of each of MEASURES in the wide table, whose rows are the features.
    """

    customers: list[Customer]
    meaning: Meaning
    columns: list[str]
    features: dict[tuple[int, date], dict[str, Any]]
    conditions: dict[tuple[int, date], dict[str, bool]]
    matches: set[tuple[int, date, str]]
    reasons: dict[tuple[int, date], dict[str, str | None]]

    @property
    def definitions(self) -> dict[str, Rule]:
        return self.meaning.definitions

    def verdict(self, rule: Rule, number: int, as_of: date, cuts: dict[Any, Any]) -> bool | None:
        def cut(measure: Rule, operator: str, limit: Any) -> Any:
            key = (as_of, repr(measure), operator, limit)
            if key not in cuts:
                values = [self.meaning.value(each, measure, as_of) for each in self.customers]
                cuts[key] = fitted_limit(values, operator, limit)
            return cuts[key]

        return self.meaning.verdict(rule, self.customers[number], as_of, cut)


WORLD_TEMPLATE = """
{% set windows, segments = metric_windows(), rule_segments() %}
{% set tables, columns = {}, [] %}{% for window in windows %}
    {% do columns.append(metric_absent(window, window.table ~ '_metrics.' ~ window.column) ~ ' as '
        ~ window.column) %}
    {% if window.table not in tables %}{% do tables.update({
        window.table: metric_table_windows(window.table, windows, 'periods')}) %}{% endif %}
{% endfor %}
{% set measures, rules, rule_keys = [], [], [] %}{% for segment in segments %}
    {% if segment.segment[:8] == 'measure_' %}
        {% do measures.append(segment.conditions[0].column) %}
    {% else %}
        {% do rule_keys.append(segment) %}
        {% do rules.append({'key': segment.segment, 'condition': rule_condition(segment.rule),
            'reason': rule_reason(segment)}) %}
    {% endif %}
{% endfor %}
{% set cuts = [] %}{% for cut in percentile_cuts(rule_keys) %}{% do cuts.append(
    percentile_value(cut) ~ ' as ' ~ cut.cut_column) %}{% endfor %}
{{ tojson({'tables': tables, 'columns': columns, 'measures': measures, 'rules': rules,
    'cuts': cuts, 'matching': matching_segments(rule_keys)}) }}
"""


@pytest.fixture(scope="module")
def world(project: GrammarProject) -> World:
    rng = random.Random(20261121)
    definitions: dict[str, Rule] = {}
    for number in range(RULES):
        # References of references have a limit, so chains begin anew.
        earlier = list(definitions)[number // 300 * 300 :][-40:]
        definitions[f"rule_{number:03}"] = random_rule(rng, earlier)
    customers = [random_customer(rng, number) for number in range(CUSTOMERS)]
    # The worked examples are in the world too, so the macros are held to them.
    for rows, rule, _ in WORKED:
        other = random_customer(rng, len(customers))
        customers.append(replace(other, rows={table: [] for table in COLUMNS} | rows))
        definitions[f"worked_{len(customers)}"] = rule
    measured = {f"measure_{n:04}": rule | {"at_least": 0} for n, rule in enumerate(MEASURES)}
    built = json.loads(project.render(WORLD_TEMPLATE, with_segments(definitions | measured)))

    connection = duckdb.connect()
    run = connection.execute

    def create(table: str, columns: dict[str, str], rows: list[Row]) -> None:
        listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        run(f"create table {table} ({listed})")
        frame = pd.DataFrame(
            [[row[name] for name in columns] for row in rows], columns=list(columns), dtype=object
        )
        run(f"insert into {table} select * from frame")
        assert len(frame)

    for table, columns in COLUMNS.items():
        rows = [
            {"customer_key": number, **row}
            for number, customer in enumerate(customers)
            for row in facts(customer, table)
        ]
        kinds = {"customer_key": "bigint", "day": "date"}
        kinds |= {"attributed_from": "date", "attributed_until": "date"}
        kinds |= {name: column_type(name, values) for name, values in columns.items()}
        create(f"int_facts__{table}", kinds | FACTS[table], rows)
    create("periods", {"as_of": "date"}, [{"as_of": each} for each in PERIODS])
    kinds = {"as_of": "date", "customer_key": "bigint", "customer_id": "varchar"}
    kinds |= dict.fromkeys((*ATTRIBUTES, *CONSENTS, *SCHEMES), "varchar")
    kinds |= dict.fromkeys(SCORES, "double")
    kinds |= {"signed_up_days": "bigint", "birthday_in_days": "bigint"}
    create(
        "customers",
        kinds,
        [
            {"as_of": as_of, "customer_key": number, "customer_id": customer.customer_id}
            | customer.attributes
            | customer.scores
            | customer.schemes
            | days_of_dates(customer, as_of)
            for number, customer in enumerate(customers)
            for as_of in PERIODS
        ],
    )

    joins = ""
    for table, query in built["tables"].items():
        run(f"create table {table}_metrics as {query}")
        joins += f" left join {table}_metrics using (customer_key, as_of)"
    run(f"create table features as select customers.*, {', '.join(built['columns'])} "
        f"from customers{joins}")  # fmt: skip
    listed = ", ".join(built["cuts"])
    run(f"create table cutpoints as select as_of, {listed} from features group by as_of")

    joined = "from features inner join cutpoints on features.as_of = cutpoints.as_of"
    who = "features.customer_key, features.as_of"
    keys = [each["key"] for each in built["rules"]]

    def by_customer(column: str) -> dict[tuple[int, date], dict[str, Any]]:
        listed = ", ".join(each[column] for each in built["rules"])
        rows = run(f"select {who}, {listed} {joined}").fetchall()
        return {row[:2]: dict(zip(keys, row[2:], strict=True)) for row in rows}

    features = run("select * from features")
    names = [column[0] for column in features.description]
    rows = [dict(zip(names, row, strict=True)) for row in features.fetchall()]
    matches = run(f"select {who}, {built['matching']} {joined}").fetchall()
    return World(
        customers,
        Meaning(METRICS, FILTERS, definitions),
        built["measures"],
        {(row["customer_key"], row["as_of"]): row for row in rows},
        by_customer("condition"),
        set(matches),
        by_customer("reason"),
    )


def days_of_dates(customer: Customer, as_of: date) -> Row:
    """Days since the customer signed up and until the next birthday, null where unknown."""
    born_on, signed_up = customer.born_on, customer.signed_up
    days: Row = {"signed_up_days": None, "birthday_in_days": None}
    if signed_up is not None and signed_up < as_of:
        days["signed_up_days"] = (as_of - signed_up).days
    if born_on is not None:
        birthdays = [anniversary(born_on, as_of.year + later) for later in (0, 1)]
        days["birthday_in_days"] = min((day - as_of).days for day in birthdays if day >= as_of)
    return days


def test_metric_columns_equal_a_count_by_hand(world: World) -> None:
    for measure, column in zip(MEASURES, world.columns, strict=True):
        for (number, as_of), row in world.features.items():
            expected = world.meaning.value(world.customers[number], measure, as_of)
            assert row[column] == expected, (measure, number, as_of)


@pytest.mark.check("properties")
def test_conditions_equal_an_independent_evaluation(
    world: World, record_property: Callable[[str, int], None]
) -> None:
    record_property("tried", len(world.definitions))
    cuts: dict[Any, Any] = {}
    seen = {True: 0, False: 0, None: 0}
    for (number, as_of), held in world.conditions.items():
        for key, rule in world.definitions.items():
            expected = world.verdict(rule, number, as_of, cuts)
            assert held[key] is (expected is True), (key, rule, number, as_of)
            seen[expected] += 1
    # All three outcomes occur often, so that a null taken for false would be noticed.
    assert min(seen.values()) > 5000, seen


def test_dates_equal_an_independent_evaluation(project: GrammarProject) -> None:
    around = [date(2023, 12, 31), date(2024, 2, 28), date(2026, 2, 28), date(2028, 2, 29)]
    dates = [day + timedelta(days=near) for day in around for near in range(-2, 3)]
    tests: list[Rule] = [{"anniversary_in_days": days} for days in (0, 1, 30, 365)]
    tests += [{"days_ago": days} for days in (1, [0, 3], [364, 366])]
    tests += [{key: str(day)} for key in ("after", "before") for day in dates[::4]]
    rules = [{"date": "first_order", **test} for test in tests]
    template = """{% set conditions = [] %}{% for segment in rule_segments() %}
        {% do conditions.append(rule_condition(segment.rule)) %}{% endfor %}
        {{ tojson([conditions, days_to_anniversary('day', 'as_of')]) }}"""
    segments = {f"dated_{number:03}": rule for number, rule in enumerate(rules)}
    conditions, until = json.loads(project.render(template, with_segments(segments)))
    values = ", ".join(f"(date '{day}')" for day in dates)
    found = duckdb.sql(
        f"select day, as_of, {until}, {', '.join(conditions)} from "
        "(select *, as_of - day as tenure_days__all, as_of - day as recency_days__all "
        f"from (values {values}) as days (day) cross join (values {values}) as periods (as_of) "
        "where day < as_of) as features"
    ).fetchall()
    assert len(found) == len(dates) * (len(dates) - 1) / 2
    for day, as_of, days, *held in found:
        anniversaries = [anniversary(day, year) for year in range(day.year + 1, as_of.year + 2)]
        assert days == min((each - as_of).days for each in anniversaries if each >= as_of)
        assert held == [date_holds(rule, day, as_of) for rule in rules], (day, as_of)


@pytest.mark.parametrize("case", range(len(WORKED)))
def test_the_evaluator_agrees_with_worked_examples(case: int) -> None:
    rows, rule, expected = WORKED[case]
    empty: dict[str, list[Row]] = {table: [] for table in COLUMNS}
    customer = Customer("c1", empty | rows, {}, {}, {})
    meaning = Meaning(METRICS, FILTERS, {})
    found = meaning.verdict(rule, customer, date(2026, 4, 1), lambda *_: None)
    assert found is expected, (rows, rule)


@pytest.mark.check("properties")
def test_matching_segments_are_those_whose_condition_holds(
    world: World, record_property: Callable[[str, int], None]
) -> None:
    record_property("tried", len(world.definitions))
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
COUPON = {**BUYER, "where": {"coupon": "SPRING10"}}
GROWING = {"metric": "revenue", "window_days": 30, "at_least": {"metric": "revenue", "factor": 0.5}}

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
    # The rows must be the same; the rest may be looser.
    (COUPON, {**COUPON, "window_days": 60, "at_least": 2}, True),
    (COUPON, {"metric": "orders", "window_days": 30, "at_least": 3}, False),
    (COUPON, {**COUPON, "where": {"coupon": "SPRING20"}}, False),
    (LAST_WINE, {**LAST_WINE, "at_least": 0}, True),
    (LAST_WINE, {**LAST_WINE, "last": 2}, False),
    (LAST_WINE, {"metric": "lines", "where": WINE, "at_least": 1}, False),
    (
        {"metric": "orders", "week": "this", "at_least": 2},
        {"metric": "orders", "week": "this", "at_least": 1},
        True,
    ),
    (
        {"metric": "orders", "any_days": 7, "at_most": 3},
        {"metric": "orders", "window_days": 7, "at_most": 3},
        False,
    ),
    (GROWING, {**GROWING, "at_least": {"metric": "revenue", "factor": 3}}, False),
    (GROWING, {**GROWING, "at_least": 0}, False),
    ({"all": [GROWING, CART_LEFT]}, GROWING, True),
    ({"all": [GROWING, CART_LEFT]}, CART_LEFT, True),
    (CART_LEFT, {**CART_LEFT, "sequence": ["carts", "orders"]}, False),
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


def altered_pattern(rng: random.Random, rule: Rule) -> Rule:
    if rng.random() < 0.3:
        return {key: value for key, value in rule.items() if key not in WINDOW_KEYS}
    if "within_days" in rule:
        return rule | {"within_days": rule["within_days"] + rng.choice([1, 5])}
    if "bought_together" in rule:
        return rule | {"bought_together": rng.sample(rule["bought_together"], 2)}
    if isinstance(rule.get("days_ago"), list):
        low, high = rule["days_ago"]
        return rule | {"days_ago": [max(low - 1, 0), high + 1]}
    if "anniversary_in_days" in rule:
        return rule | {"anniversary_in_days": min(rule["anniversary_in_days"] + 5, 365)}
    return {"date": rule["date"], "is_known": True}


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
    if "where" in rule and rng.random() < 0.4:
        rule["where"].pop(rng.choice(list(rule["where"])))
        if not rule["where"]:
            del rule["where"]
    if "metric" in rule and rng.random() < 0.3:
        kept = {k: v for k, v in rule.items() if k not in WINDOW_KEYS}
        windows = [*WINDOWS, random_window(rng, METRICS[rule["metric"]])]
        return kept | rng.choice(windows)
    if "date" in rule or "sequence" in rule or "bought_together" in rule:
        return altered_pattern(rng, rule)
    for name in ("at_least", "at_most", "more_than", "less_than"):
        if isinstance(rule.get(name), dict):
            return rule | {name: rule[name] | {"factor": rng.choice([0.5, 1, 2])}}
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
    for _ in range(500):
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
    started = process_time()
    sql = project.render(template, with_segments(segments))
    seconds = process_time() - started
    assert sql.count("case when") == 200
    # One rendering takes 1 to 2 s of CPU here, a third of it spent on reading the long --vars.
    assert seconds < 5
