"""The meaning of metrics and rules in plain Python, from raw rows and raw YAML: no SQL, no macro.

None is SQL's null, and conditions have three values: True, False, None.
"""

import math
import re
from calendar import isleap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from hashlib import md5
from typing import Any

Rule = dict[str, Any]
Row = dict[str, Any]

DAY_WINDOWS = ("window_days", "from_days_ago", "to_days_ago")
CALENDAR = ("week", "month", "quarter", "year")
WINDOW_KEYS = (*DAY_WINDOWS, *CALENDAR, "window_hours", "first", "last", "any_days")
MEASURE_KEYS = {"score", "metric", "where", *WINDOW_KEYS}
FITTED = ("top_percent", "bottom_percent", "top", "above", "below")
WITH_INSTANTS = ("orders", "lines", "events")


@dataclass
class Customer:
    """One customer, whose rows are dictionaries with a `day` and the columns that metrics read."""

    customer_id: str
    rows: dict[str, list[Row]]
    attributes: dict[str, Any]
    scores: dict[str, Any]
    schemes: dict[str, str | None]
    signed_up: date | None = None
    born_on: date | None = None
    known: dict[Any, Any] = field(default_factory=dict)


def measure_of(rule: Rule) -> Rule:
    """What a condition compares: a score, or a metric with its where and its window."""
    return {key: value for key, value in rule.items() if key in MEASURE_KEYS}


@dataclass
class Meaning:
    """What rules mean, given what they may name.

    filters: each filter of the metrics as a function of a row, so that nothing here reads SQL.
    definitions: the rule segments, which rules may refer to.
    """

    metrics: dict[str, Rule]
    filters: dict[str | None, Callable[[Row], bool | None]]
    definitions: dict[str, Rule]

    # --- Rows ------------------------------------------------------------------------------------

    def rows(self, customer: Customer, measure: Rule, as_of: date) -> list[Row]:
        """The rows that a metric, or a step of a sequence, counts at as_of."""
        metric = self.metrics[measure["metric"]]
        keep = self.filters[metric.get("filter")]
        is_share = metric["aggregate"] == "share"
        rows = []
        for row in visible_rows(customer, metric["table"], as_of):
            kept = keep(row)
            # The filter of a share says what is counted; its rows are those where that is known.
            if kept or (is_share and kept is not None):
                rows.append(row)
        for side in ("first", "last"):
            if side in measure:
                moments = {unit_of(metric["table"], row): moment_of(row) for row in rows}
                units = sorted(moments, key=lambda unit: moments[unit])
                number = measure[side]
                chosen = units[:number] if side == "first" else units[-number:]
                rows = [row for row in rows if unit_of(metric["table"], row) in chosen]
        return [
            row
            for row in rows
            if in_window(row, measure, as_of)
            and where_holds(measure.get("where", {}), row, customer, as_of)
        ]

    # --- Values ----------------------------------------------------------------------------------

    def value(self, customer: Customer, measure: Rule, as_of: date) -> Any:
        """The value of a score, or of a metric over a window."""
        if "score" in measure:
            return customer.scores[measure["score"]]
        key = (repr(measure), as_of)
        if key not in customer.known:
            customer.known[key] = self._value(customer, measure, as_of)
        return customer.known[key]

    def _value(self, customer: Customer, measure: Rule, as_of: date) -> Any:
        metric = self.metrics[measure["metric"]]
        rows = self.rows(customer, measure, as_of)
        if "any_days" in measure:
            values = []
            for last in {row["day"] for row in rows}:
                age = {row["day"]: (last - row["day"]).days for row in rows}
                inside = [row for row in rows if 0 <= age[row["day"]] < measure["any_days"]]
                values.append(self._aggregate(metric, inside, as_of))
            values = [value for value in values if value is not None]
            return max(values) if values else metric["absent"]
        value = self._aggregate(metric, rows, as_of)
        if value == 0 and metric["aggregate"].startswith("count"):
            # Counts are 0 as soon as the customer has any row of the table, else `absent`.
            return value if visible_rows(customer, metric["table"], as_of) else metric["absent"]
        return metric["absent"] if value is None else value

    def _aggregate(self, metric: Rule, rows: list[Row], as_of: date) -> Any:
        days = [row["day"] for row in rows]
        aggregate = metric["aggregate"]
        if aggregate in ("count", "count_days"):
            return len(days if aggregate == "count" else set(days))
        if aggregate in ("days_since_first", "days_since_last"):
            if not days:
                return None
            return (as_of - (min(days) if aggregate == "days_since_first" else max(days))).days
        if aggregate == "share":
            held = [bool(self.filters[metric["filter"]](row)) for row in rows]
            return sum(held) / len(held) if held else None
        values = [row[metric["value"]] for row in rows if row[metric["value"]] is not None]
        if aggregate == "count_distinct":
            return len(set(values))
        if not values:
            return None
        if aggregate == "mean":
            return float(sum(values)) / len(values)
        return {"sum": sum, "min": min, "max": max}[aggregate](values)

    # --- Rules -----------------------------------------------------------------------------------

    def verdict(
        self, rule: Rule, customer: Customer, as_of: date, cut: Callable[[Rule, str, Any], Any]
    ) -> bool | None:
        """Whether a rule holds for a customer, in three-valued logic.

        cut: the limit of a fitted operator, from a measure, the operator and what stands beside it.
        """

        def inner(part: Rule) -> bool | None:
            return self.verdict(part, customer, as_of, cut)

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
            return _attribute(rule, customer.attributes[rule["attribute"]])
        if "sample_percent" in rule:
            texts = [customer.customer_id, rule.get("salt", "")]
            digest = md5("".join(f"{len(text)}:{text}" for text in texts).encode()).hexdigest()
            return int(digest[:15], 16) % 10**8 < rule["sample_percent"] * 10**6
        if "consent" in rule:
            state = customer.attributes[f"consent_to_{rule['consent']}"]
            return bool(state == rule.get("is", "granted"))
        if "segment" in rule:
            scheme, name = rule["segment"].split(":", 1)
            if scheme == "rule":
                return inner(self.definitions[name])
            found = customer.schemes[scheme]
            return None if found is None else found == name
        if "date" in rule:
            return date_holds(rule, self.date(customer, rule["date"], as_of), as_of)
        for kind, holds in (("sequence", self._sequence), ("bought_together", self._together)):
            if kind in rule:
                key = (repr(rule), as_of)
                if key not in customer.known:
                    customer.known[key] = holds(customer, rule, as_of)
                return bool(customer.known[key])
        measure = measure_of(rule)
        number = self.value(customer, measure, as_of)
        for operator in FITTED:
            if operator in rule:
                return _inside_cut(number, cut(measure, operator, rule[operator]), operator)
        if "is_known" in rule:
            return (number is not None) is rule["is_known"]
        for operator in ("at_least", "at_most", "more_than", "less_than"):
            if isinstance(rule.get(operator), dict):
                operand = rule[operator]
                other = self.value(customer, measure_of(operand), as_of)
                return _compared_values(operator, number, other, operand.get("factor", 1))
        return _compared(rule, number)

    # --- Dates -----------------------------------------------------------------------------------

    def date(self, customer: Customer, name: str, as_of: date) -> date | None:
        if name == "birthday":
            return customer.born_on
        if name == "signed_up":
            signed_up = customer.signed_up
            return signed_up if signed_up is not None and signed_up < as_of else None
        orders = visible_rows(customer, "orders", as_of)
        days = [row["day"] for row in orders if row["is_completed"]]
        if not days:
            return None
        return min(days) if name == "first_order" else max(days)

    # --- Patterns --------------------------------------------------------------------------------

    def _sequence(self, customer: Customer, rule: Rule, as_of: date) -> bool:
        steps = [{"metric": step} if isinstance(step, str) else step for step in rule["sequence"]]
        without = steps[-1].get("not")
        if without is not None:
            steps[-1] = {"metric": without} if isinstance(without, str) else without
        tables = [self.metrics[step["metric"]]["table"] for step in steps]
        found = [self.rows(customer, step, as_of) for step in steps]
        by_instant = all(table in WITH_INSTANTS for table in tables)
        for first in found[0]:
            if not in_window(first, {key: rule[key] for key in DAY_WINDOWS if key in rule}, as_of):
                continue
            last_day = first["day"] + timedelta(days=rule["within_days"])
            reached = [first]
            for number in range(1, len(steps)):
                pair = tables[number - 1 : number + 1]
                reached = [
                    row
                    for row in found[number]
                    if row["day"] <= last_day
                    and any(is_after(row, before, pair, by_instant) for before in reached)
                ]
            if reached if without is None else last_day < as_of and not reached:
                return True
        return False

    def _together(self, customer: Customer, rule: Rule, as_of: date) -> bool:
        baskets: dict[Any, list[Row]] = {}
        for line in visible_rows(customer, "lines", as_of):
            if line["is_completed"] and in_window(line, rule, as_of):
                baskets.setdefault(unit_of("lines", line), []).append(line)
        return any(
            all(
                any(where_holds(where, line, customer, as_of) for line in lines)
                for where in rule["bought_together"]
            )
            for lines in baskets.values()
        )


def visible_rows(customer: Customer, table: str, as_of: date) -> list[Row]:
    """The rows of earlier days than as_of that are attributed to the customer by then."""
    key = (table, as_of)
    if key not in customer.known:
        customer.known[key] = [
            row
            for row in customer.rows[table]
            if row["day"] < as_of
            and row.get("attributed_from", row["day"]) < as_of
            and as_of <= row.get("attributed_until", date.max)
        ]
    return list(customer.known[key])


def unit_of(table: str, row: Row) -> Any:
    """What `first` and `last` count: an order, also of lines; a ticket; a contact or response."""
    if table == "touchpoints" and row["campaign_id"] is not None:
        return row["kind"], row["campaign_id"], row["day"]
    return row["order_key" if table in ("orders", "lines") else "row_key"]


def moment_of(row: Row) -> datetime:
    """When a row happened; an order at exactly midnight is one whose time is unknown: the last."""
    if "ordered_at" in row:
        if row["ordered_at"].time() == time.min:
            return row["ordered_at"] + timedelta(days=1, microseconds=-1)
        return row["ordered_at"]
    return row.get("occurred_at", datetime.combine(row["day"], time.min))


def is_after(row: Row, before: Row, tables: list[str], by_instant: bool) -> bool:
    """Whether a row comes after one of the step before it.

    tables: that of the step before and its own.
    by_instant: whether all steps of the sequence read tables with instants.
    """
    if by_instant and tables == ["events", "events"]:
        return (row["occurred_at"], row["position"]) > (before["occurred_at"], before["position"])
    if by_instant and tables[0] == "events":
        # An order comes after the events of its instant.
        return moment_of(row) >= moment_of(before)
    if by_instant:
        return moment_of(row) > moment_of(before)
    if tables[0] == tables[1]:
        return bool(row["day"] > before["day"])
    return bool(row["day"] >= before["day"])


# --- Windows -------------------------------------------------------------------------------------


def in_window(row: Row, window: Rule, as_of: date) -> bool:
    ago = (as_of - row["day"]).days
    if "window_days" in window:
        return ago <= window["window_days"]
    if "from_days_ago" in window:
        return bool(window["to_days_ago"] < ago <= window["from_days_ago"])
    if "window_hours" in window:
        return row["hour"] is not None and ago * 24 - row["hour"] <= window["window_hours"]
    for unit in CALENDAR:
        if unit in window:
            begin = first_day(unit, as_of - timedelta(days=1))
            if window[unit] == "this":
                return bool(begin <= row["day"] < as_of)
            return bool(first_day(unit, begin - timedelta(days=1)) <= row["day"] < begin)
    return True


def first_day(unit: str, day: date) -> date:
    """The first day of the week, from Monday on, month, quarter or year that contains a day."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    month = {"month": day.month, "quarter": 3 * ((day.month - 1) // 3) + 1, "year": 1}[unit]
    return date(day.year, month, 1)


# --- where ---------------------------------------------------------------------------------------


def where_holds(where: Rule, row: Row, customer: Customer, as_of: date) -> bool:
    return all(
        _where_test(
            test, _is_answered(row, customer, as_of) if name == "is_answered" else row[name]
        )
        for name, test in where.items()
    )


def _is_answered(row: Row, customer: Customer, as_of: date) -> bool | None:
    """Whether a contact was answered: a response to its campaign on its day or later."""
    if row["kind"] != "campaign_contact":
        return None
    return any(is_answer(other, row) for other in visible_rows(customer, "touchpoints", as_of))


def is_answer(row: Row, contact: Row) -> bool:
    return (
        contact["kind"] == "campaign_contact"
        and row["kind"] == "campaign_response"
        and row["campaign_id"] == contact["campaign_id"]
        and row["day"] >= contact["day"]
    )


def _where_test(test: Any, value: Any) -> bool:
    if value is None:
        return False
    if isinstance(test, dict) and "not_in" in test:
        equal = [_equal(value, each) for each in test["not_in"]]
        # What is no number is not known to be another number than those listed.
        return None not in equal and True not in equal
    if isinstance(test, dict):
        number = _number(value)
        limits = {
            name: [exact(each) for each in limit] if name == "between" else exact(limit)
            for name, limit in test.items()
        }
        return number is not None and bool(_compared(limits, number))
    return any(_equal(value, each) is True for each in (test if isinstance(test, list) else [test]))


def _equal(value: Any, other: Any) -> bool | None:
    if isinstance(other, bool):
        return value is other
    if isinstance(other, str):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text == other
    number = _number(value)
    return None if number is None else number == exact(other)


def _number(value: Any) -> Fraction | None:
    """A value read as a number, None where a text is none."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", value)
        return Fraction(value) if plain else None
    return exact(value)


def exact(number: Any) -> Fraction:
    """The number that is written: .1 is a tenth, unlike the float that is nearest to it."""
    return Fraction(str(number))


# --- Conditions ----------------------------------------------------------------------------------


def date_holds(rule: Rule, day: date | None, as_of: date) -> bool | None:
    """Whether a condition on a date holds, None where the date is unknown."""
    if "is_known" in rule:
        return (day is not None) is rule["is_known"]
    if day is None:
        return None
    if "after" in rule:
        return day > date.fromisoformat(rule["after"])
    if "before" in rule:
        return day < date.fromisoformat(rule["before"])
    if "days_ago" in rule:
        ago = rule["days_ago"]
        low, high = ago if isinstance(ago, list) else [ago, ago]
        return bool(low <= (as_of - day).days <= high)
    until = as_of + timedelta(days=rule["anniversary_in_days"])
    years = range(day.year + 1, until.year + 1)
    return any(as_of <= anniversary(day, year) <= until for year in years)


def anniversary(day: date, year: int) -> date:
    """The day's anniversary in a year; 28 February for 29 February in years without one."""
    if (day.month, day.day) == (2, 29) and not isleap(year):
        return date(year, 2, 28)
    return day.replace(year=year)


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


def _attribute(rule: Rule, found: str | None) -> bool | None:
    if "is_known" in rule:
        return (found is not None) is rule["is_known"]
    listed = rule.get("in", rule.get("not_in", [rule.get("equals")]))
    if found is not None and isinstance(listed[0], str):
        return (found in listed) is ("not_in" not in rule)
    return _compared(rule, None if found in (None, "many") else float(found.rstrip("+")))


def _compared(rule: Rule, number: Any) -> bool | None:
    if number is None:
        return None
    if "between" in rule:
        low, high = rule["between"]
        return bool(low <= number <= high)
    operator = next(name for name in _COMPARE if name in rule)
    return _COMPARE[operator](number, rule[operator])


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "at_least": lambda a, b: a >= b,
    "at_most": lambda a, b: a <= b,
    "more_than": lambda a, b: a > b,
    "less_than": lambda a, b: a < b,
    "equals": lambda a, b: a == b,
}


def _compared_values(operator: str, value: Any, other: Any, factor: float) -> bool | None:
    """A value against a multiple of another: 11 is at least 1.1 times 10."""
    if value is None or other is None:
        return None
    other = factor * other if isinstance(other, float) else exact(factor) * Fraction(other)
    if isinstance(value, float) or isinstance(other, float):
        return _COMPARE[operator](float(value), float(other))
    return _COMPARE[operator](Fraction(value), other)


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
