"""The meaning of metrics and rules in plain Python, from raw rows and raw YAML: no SQL, no macro.

None is SQL's null, and conditions have three values: True, False, None.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from hashlib import md5
from typing import Any

Rule = dict[str, Any]
Window = tuple[int | None, int]


@dataclass
class Customer:
    """Rows of one customer: dictionaries with a `day` and the columns that metrics read."""

    rows: dict[str, list[dict[str, Any]]]
    attributes: dict[str, Any]
    scores: dict[str, Any]
    schemes: dict[str, str | None]
    known: dict[tuple[Any, ...], Any] = field(default_factory=dict)


def window_of(entry: Rule) -> Window:
    if "window_days" in entry:
        return entry["window_days"], 0
    return entry.get("from_days_ago"), entry.get("to_days_ago", 0)


def column_of(metric: str, window: Window) -> str:
    start, end = window
    if start is None:
        return f"{metric}__all"
    return f"{metric}__{start}d_to_{end}d" if end else f"{metric}__{start}d"


def metric_value(
    customer: Customer,
    name: str,
    metric: Rule,
    window: Window,
    as_of: date,
    keep: Callable[..., bool],
) -> Any:
    """The value of one metric; `keep` is the metric's filter as a function of a row."""
    key = (name, window, as_of)
    if key not in customer.known:
        customer.known[key] = _metric_value(customer, metric, window, as_of, keep)
    return customer.known[key]


def _metric_value(
    customer: Customer, metric: Rule, window: Window, as_of: date, keep: Callable[..., bool]
) -> Any:
    before = [row for row in customer.rows[metric["table"]] if row["day"] < as_of]
    start, end = window
    rows = []
    for row in before:
        ago = (as_of - row["day"]).days
        if keep(row) and (start is None or ago <= start) and ago > end:
            rows.append(row)
    days = [row["day"] for row in rows]
    values = [row[metric["value"]] for row in rows] if "value" in metric else []
    values = [value for value in values if value is not None]
    aggregate = metric["aggregate"]
    if aggregate in ("count", "count_days", "count_distinct"):
        counted = {"count": days, "count_days": set(days), "count_distinct": set(values)}
        # Counts are 0 as soon as the customer has any row of the table, else `absent`.
        return len(counted[aggregate]) if before else metric["absent"]
    if aggregate in ("days_since_first", "days_since_last"):
        if not days:
            return metric["absent"]
        return (as_of - (min(days) if aggregate == "days_since_first" else max(days))).days
    if not values:
        return metric["absent"]
    if aggregate == "mean":
        return float(sum(values)) / len(values)
    return {"sum": sum, "min": min, "max": max}[aggregate](values)


def fitted_limit(values: list[Any], operator: str, limit: Any) -> Any:
    """The limit that a fitted operator compares with, taken among values above 0."""
    positive = sorted(value for value in values if value is not None and value > 0)
    if not positive:
        return None
    if operator == "top":
        return positive[-min(limit, len(positive))]
    if limit == "mean":
        return round(float(sum(map(Fraction, positive)) / len(positive)), 6)
    if operator in ("above", "below"):
        return round(float(positive[math.ceil(len(positive) / 2) - 1]), 6)
    quantile = 1 - limit / 100 if operator == "top_percent" else limit / 100
    # percentile_disc: the smallest with at least that share at or below. The margin takes up the
    # error of .9 * 10 and the like.
    return positive[max(math.ceil(quantile * len(positive) - 1e-9), 1) - 1]


def evaluate(
    rule: Rule,
    customer_id: str,
    customer: Customer,
    value: Callable[[str, Window], Any],
    cut: Callable[[str, Window, str, Any], Any],
    definitions: dict[str, Rule],
) -> bool | None:
    """Whether a rule holds for a customer, in three-valued logic."""

    def inner(part: Rule) -> bool | None:
        return evaluate(part, customer_id, customer, value, cut, definitions)

    if "all" in rule:
        results = [inner(part) for part in rule["all"]]
        return False if False in results else None if None in results else True
    if "any" in rule:
        results = [inner(part) for part in rule["any"]]
        return True if True in results else None if None in results else False
    if "not" in rule:
        result = inner(rule["not"])
        return None if result is None else not result
    if "attribute" in rule:
        found = customer.attributes[rule["attribute"]]
        if "is_known" in rule:
            return (found is not None) is rule["is_known"]
        listed = rule.get("in", rule.get("not_in", [rule.get("equals")]))
        if found is not None and isinstance(listed[0], str):
            return (found in listed) is ("not_in" not in rule)
        return _compared(rule, None if found in (None, "many") else float(found.rstrip("+")))
    if "sample_percent" in rule:
        texts = [customer_id, rule.get("salt", "")]
        digest = md5("".join(f"{len(text)}:{text}" for text in texts).encode()).hexdigest()
        return int(digest[:15], 16) % 10**8 < rule["sample_percent"] * 10**6
    if "consent" in rule:
        state = customer.attributes[f"consent_to_{rule['consent']}"]
        return bool(state == rule.get("is", "granted"))
    if "segment" in rule:
        scheme, name = rule["segment"].split(":", 1)
        if scheme == "rule":
            return inner(definitions[name])
        found = customer.schemes[scheme]
        return None if found is None else found == name
    window = window_of(rule)
    name = rule["score"] if "score" in rule else rule["metric"]
    number = value(name, window)
    for operator in ("top_percent", "bottom_percent", "top", "above", "below"):
        if operator in rule:
            limit = cut(name, window, operator, rule[operator])
            return _inside_cut(number, limit, operator)
    if "is_known" in rule:
        return (number is not None) is rule["is_known"]
    return _compared(rule, number)


def _compared(rule: Rule, number: Any) -> bool | None:
    if number is None:
        return None
    if "between" in rule:
        low, high = rule["between"]
        return bool(low <= number <= high)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "at_least": lambda a, b: a >= b,
        "at_most": lambda a, b: a <= b,
        "more_than": lambda a, b: a > b,
        "less_than": lambda a, b: a < b,
        "equals": lambda a, b: a == b,
    }
    operator = next(name for name in compare if name in rule)
    return compare[operator](number, rule[operator])


def _inside_cut(number: Any, limit: Any, operator: str) -> bool | None:
    if number is None:
        return None
    if number <= 0:
        return False
    if limit is None:
        return None
    if operator in ("above", "below"):
        rounded = round(float(number), 6)
        return bool(rounded > limit if operator == "above" else rounded < limit)
    return bool(number <= limit if operator == "bottom_percent" else number >= limit)
