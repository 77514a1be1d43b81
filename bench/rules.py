"""Two hundred rule segments over forty windows, as plain data that each contender reads its way.

A rule is {"all" or "any": [condition, ..]}; a condition is {"metric", "from", "to", one operator},
where the window is day >= as_of - from and day < as_of - to, all time where "from" is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Condition = dict[str, Any]

_DAYS = [7, 14, 21, 30, 45, 60, 90, 120, 150, 180, 270, 365, 540, 730]
_WINDOWS: list[Condition] = [
    *({"metric": "orders", "from": days, "to": 0} for days in _DAYS),
    *({"metric": "revenue", "from": days, "to": 0} for days in _DAYS),
    *({"metric": "returns", "from": days, "to": 0} for days in (90, 180, 365, 730)),
    *({"metric": "orders", "from": 2 * days, "to": days} for days in (30, 90, 180, 365)),
    *({"metric": "revenue", "from": 2 * days, "to": days} for days in (90, 180, 365)),
    {"metric": "orders"},
]
# What a customer has of a metric in a day, about; limits are multiples of it.
_PER_DAY = {"orders": 0.012, "revenue": 0.42, "returns": 0.0006}


def rules(number: int = 200) -> dict[str, dict[str, list[Condition]]]:
    """The first so many rules by key, each with one to three conditions."""
    return {f"rule_{index:03}": _rule(index) for index in range(number)}


def _rule(index: int) -> dict[str, list[Condition]]:
    window = _WINDOWS[index % len(_WINDOWS)]
    other = _WINDOWS[(index * 7 + 3) % len(_WINDOWS)]
    strictness = 4 + index // len(_WINDOWS)
    shape = index // len(_WINDOWS)
    if shape == 0:
        return {"all": [_at_least(window, 8)]}
    if shape == 1:
        return {"all": [_at_least(window, strictness), _at_most(other, 1)]}
    if shape == 2:
        return {"any": [_at_least(window, 2 * strictness), _at_least(other, 3 * strictness)]}
    if shape == 3:
        low = _limit(window, 5)
        return {"all": [{**window, "between": [low, 2 * low]}]}
    if window["metric"] == "revenue":
        return {"all": [{**window, "top_percent": 5}]}
    return {"all": [_at_least(window, 3), _at_most(other, 3), _at_least(_WINDOWS[-1], 2)]}


def _limit(window: Condition, times: float) -> int:
    days = window.get("from", 730) - window.get("to", 0)
    return max(1, round(_PER_DAY[window["metric"]] * days * times))


def _at_least(window: Condition, times: float) -> Condition:
    return {**window, "at_least": _limit(window, times)}


def _at_most(window: Condition, times: float) -> Condition:
    return {**window, "at_most": _limit(window, times)}


def as_project_var(number: int = 200) -> dict[str, Any]:
    """The rules as var rule_segments of this project."""
    return {
        key: {group: [_as_condition(condition) for condition in conditions]}
        for key, rule in rules(number).items()
        for group, conditions in rule.items()
    }


def compared_schemes() -> dict[str, Any]:
    """The shipped schemes but value_outlook: the bare script has no lifetime value."""
    shipped = Path(__file__).resolve().parents[1] / "dbt_project.yml"
    schemes = yaml.safe_load(shipped.read_text(encoding="utf-8"))["vars"]["schemes"]
    return {name: scheme for name, scheme in schemes.items() if name != "value_outlook"}


def _as_condition(condition: Condition) -> dict[str, Any]:
    written = {name: value for name, value in condition.items() if name not in ("from", "to")}
    if condition.get("to"):
        written |= {"from_days_ago": condition["from"], "to_days_ago": condition["to"]}
    elif "from" in condition:
        written["window_days"] = condition["from"]
    return written
