"""Effects of experiments, from aggregates: differences with intervals, p-values and verdicts.

Every comparison is a contrast of the means of the arms: treatment minus control; in a factorial
design a level of a factor minus its first level, averaged over the other factors, or a difference
of such differences.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

MISMATCH_LEVEL = 0.001
LEVEL = 0.05
POWER = 0.8
LEAST_EVENTS = 10  # in an arm, for the normal approximation of a proportion
_QUANTILE = float(stats.norm.ppf(1 - LEVEL / 2))

_TEXTS = ("experiment_id", "scheme", "segment_key", "metric", "span", "comparison", "kind")
_NUMBERS = (
    "mean",
    "control_mean",
    "effect",
    "effect_low",
    "effect_high",
    "relative_effect",
    "relative_low",
    "relative_high",
    "p_value",
    "p_corrected",
    "cuped_effect",
    "cuped_low",
    "cuped_high",
    "variance_reduction",
    "shrunk_effect",
    "detectable_effect",
    "power",
    "mismatch_p",
)
_DTYPES: dict[str, str] = {
    "as_of": "date32[day][pyarrow]",
    **dict.fromkeys(_TEXTS, "str"),
    "customers": "Int64",
    "control_customers": "Int64",
    **dict.fromkeys(_NUMBERS, "float64"),
    "is_measured": "boolean",
    "status": "str",
    "verdict": "str",
}


@dataclass(frozen=True)
class Arm:
    """Customers of one variant and their values of one metric.

    Attributes:
        units: Customers assigned, with a value or without.
        customers: Those with a value.
        mean, variance: Of their values; the variance has n - 1 below.
        events: Number of ones if all values are 0 or 1, else None.
        customers_before: Those with a value of the days before the assignment too.
        mean_before, variance_before, covariance: Of these, in the same way.
    """

    units: int
    customers: int
    mean: float = math.nan
    variance: float = math.nan
    events: float | None = None
    customers_before: int = 0
    mean_before: float = math.nan
    variance_before: float = math.nan
    covariance: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """A contrast: the weights of the arms' means add up to 0."""

    name: str
    kind: str
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """A difference with its standard error, 95% interval and two-sided p-value."""

    effect: float
    error: float
    low: float
    high: float
    p_value: float


def comparisons(plan: Mapping[str, Any]) -> list[Comparison]:
    """What an experiment compares, by its plan as the macro `experiments` gives it."""
    cells = plan["cells"]
    if not plan["factors"]:
        control = plan["control"]
        variants = [cell["variant"] for cell in cells if cell["variant"] != control]
        return [Comparison(one, "variant", {one: 1.0, control: -1.0}) for one in variants]
    levels = {factor: list(of_factor) for factor, of_factor in plan["factors"].items()}
    found = []
    for number in (1, 2):
        for factors in combinations(levels, number):
            for chosen in _products([levels[factor][1:] for factor in factors]):
                wanted = dict(zip(factors, chosen, strict=True))
                name = " x ".join(f"{factor}: {level}" for factor, level in wanted.items())
                weights = {
                    cell["variant"]: _weight(cell["levels"], wanted, levels) for cell in cells
                }
                kind = "factor" if number == 1 else "interaction"
                used = {variant: weight for variant, weight in weights.items() if weight}
                found.append(Comparison(name, kind, used))
    return found


def _products(lists: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for items in lists:
        found = [(*before, item) for before in found for item in items]
    return found


def _weight(
    cell: Mapping[str, str], wanted: Mapping[str, str], levels: Mapping[str, Sequence[str]]
) -> float:
    """+ or - for the wanted or the first level of each factor, averaged over the others."""
    sign = 1.0
    for factor, level in wanted.items():
        if cell[factor] == levels[factor][0]:
            sign = -sign
        elif cell[factor] != level:
            return 0.0
    others = [len(of_factor) for factor, of_factor in levels.items() if factor not in wanted]
    return sign / math.prod(others)


def difference(arms: Mapping[str, Arm], weights: Mapping[str, float]) -> Estimate:
    """A contrast of means: by Welch, proportions by the normal approximation, few events exactly.

    Proportions are metrics of which every value is 0 or 1. With fewer than ten events, or others, in
    an arm, two arms are compared by Fisher's exact test and the interval of Newcombe (1998, method
    10).
    """
    parts = [(weight, arms[variant]) for variant, weight in weights.items()]
    if any(arm.events is None for _, arm in parts):
        return _welch(parts)
    effect = sum(weight * arm.mean for weight, arm in parts)
    spread = sum(w * w * arm.mean * (1 - arm.mean) / arm.customers for w, arm in parts)
    error = math.sqrt(spread)
    if has_few_events(parts):
        (_, treated), (_, control) = sorted(parts, key=lambda part: -part[0])
        low, high = _newcombe(treated, control)
        table = [[arm.events, arm.customers - (arm.events or 0)] for arm in (treated, control)]
        p_value = float(stats.fisher_exact(np.array(table, dtype=int)).pvalue)
        return Estimate(effect, error, low, high, p_value)
    half = _QUANTILE * error
    p_value = float(2 * stats.norm.sf(abs(effect) / error)) if error else math.nan
    return Estimate(effect, error, effect - half, effect + half, p_value)


def has_few_events(parts: Iterable[tuple[float, Arm]]) -> bool:
    return any(
        arm.events is not None and min(arm.events, arm.customers - arm.events) < LEAST_EVENTS
        for _, arm in parts
    )


def _welch(parts: Sequence[tuple[float, Arm]]) -> Estimate:
    """Welch (1947), for any number of means; degrees of freedom by Satterthwaite."""
    effect = sum(weight * arm.mean for weight, arm in parts)
    spreads = [(w * w * arm.variance / arm.customers, arm.customers - 1) for w, arm in parts]
    error = math.sqrt(sum(spread for spread, _ in spreads))
    if not error:
        return Estimate(effect, error, effect, effect, math.nan)
    freedom = error**4 / sum(spread**2 / degrees for spread, degrees in spreads)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(effect) / error, freedom))
    return Estimate(effect, error, effect - half, effect + half, p_value)


def _newcombe(treated: Arm, control: Arm) -> tuple[float, float]:
    (low, high), (control_low, control_high) = _wilson(treated), _wilson(control)
    effect = treated.mean - control.mean
    below = math.hypot(treated.mean - low, control_high - control.mean)
    above = math.hypot(high - treated.mean, control.mean - control_low)
    return effect - below, effect + above


def _wilson(arm: Arm) -> tuple[float, float]:
    squared = _QUANTILE**2
    middle = arm.mean + squared / (2 * arm.customers)
    half = _QUANTILE * math.sqrt(
        arm.mean * (1 - arm.mean) / arm.customers + squared / (4 * arm.customers**2)
    )
    scale = 1 + squared / arm.customers
    return (middle - half) / scale, (middle + half) / scale


def adjusted(arms: Mapping[str, Arm]) -> dict[str, Arm] | None:
    """The arms after CUPED, or None where the days before the assignment can't help.

    The part of each value that the customer's own value before the assignment predicts is taken
    off (Deng, Xu, Kohavi and Walker 2013). The slope is that of all arms together; since it reads
    nothing after the assignment but one number, the effect keeps its expectation.
    """
    known = list(arms.values())
    if any(arm.customers_before != arm.customers for arm in known):
        return None
    total = sum(arm.customers for arm in known)
    mean = sum(arm.customers * arm.mean for arm in known) / total
    before = sum(arm.customers * arm.mean_before for arm in known) / total
    products = sum(
        (arm.customers - 1) * arm.covariance
        + arm.customers * (arm.mean - mean) * (arm.mean_before - before)
        for arm in known
    )
    squares = sum(
        (arm.customers - 1) * arm.variance_before + arm.customers * (arm.mean_before - before) ** 2
        for arm in known
    )
    if not squares > 0:
        return None
    slope = products / squares
    return {
        variant: replace(
            arm,
            events=None,
            mean=arm.mean - slope * (arm.mean_before - before),
            variance=max(
                arm.variance - 2 * slope * arm.covariance + slope**2 * arm.variance_before, 0.0
            ),
        )
        for variant, arm in arms.items()
    }


def relative(
    arms: Mapping[str, Arm], weights: Mapping[str, float]
) -> tuple[float, float, float] | None:
    """The effect as a share of the control's mean, with an interval by the logarithm of the ratio.

    None unless both means are above 0.
    """
    sides = []
    for sign in (1, -1):
        parts = [(abs(w), arms[variant]) for variant, w in weights.items() if w * sign > 0]
        mean = sum(weight * arm.mean for weight, arm in parts)
        if not mean > 0:
            return None
        is_share = all(arm.events is not None for _, arm in parts)
        spreads = [
            (
                (arm.mean * (1 - arm.mean) if is_share else arm.variance)
                * (weight / mean) ** 2
                / arm.customers,
                math.inf if is_share else arm.customers - 1,
            )
            for weight, arm in parts
        ]
        sides.append((mean, spreads))
    (mean, spreads), (control_mean, others) = sides
    spread = sum(one for one, _ in spreads + others)
    slack = sum(one**2 / degrees for one, degrees in spreads + others)
    freedom = spread**2 / slack if slack else math.inf
    factor = math.exp(float(stats.t.ppf(1 - LEVEL / 2, freedom)) * math.sqrt(spread))
    ratio = mean / control_mean
    return ratio - 1, ratio / factor - 1, ratio * factor - 1


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values of several comparisons (Holm 1979)."""
    count, largest = len(p_values), 0.0
    corrected = [0.0] * count
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def shrunk(effects: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Effects of several segments, pulled to their mean the more the less is known of each.

    The variance between segments is that of DerSimonian and Laird (1986); 0 means that chance alone
    explains the differences, and then every segment has the common effect.
    """
    if len(effects) < 2:
        return list(effects)
    values, spreads = np.array(effects), np.array(errors) ** 2
    weights = 1 / spreads
    mean = np.sum(weights * values) / np.sum(weights)
    excess = np.sum(weights * (values - mean) ** 2) - (len(values) - 1)
    between = max(0.0, excess / (np.sum(weights) - np.sum(weights**2) / np.sum(weights)))
    weights = 1 / (spreads + between)
    mean = np.sum(weights * values) / np.sum(weights)
    return [float(one) for one in mean + between / (between + spreads) * (values - mean)]


def mismatch(units: Sequence[int], shares: Sequence[float]) -> float | None:
    """p-value of the units by variant against the planned shares (chi-square)."""
    total = sum(units)
    if not total:
        return None
    expected = np.array(shares) / sum(shares) * total
    return float(stats.chisquare(np.array(units, dtype=float), expected).pvalue)


def experiment_effects(aggregates: pd.DataFrame, *, smallest_cell: int) -> pd.DataFrame:
    """One row per experiment, segment, metric, span and comparison: the effect and its verdict.

    aggregates: the columns of int_marts__experiment_aggregates but sample_hash, one row per
    variant. Row order never matters.
    smallest_cell: comparisons with fewer customers in an arm are withheld, and so is the next
    smallest segment of an exclusive scheme where only one is, or it could be computed back.

    Returns the columns of _DTYPES. Numbers are null where a verdict says why. Corrected p-values are
    by Holm over the comparisons and metrics of an experiment, and by Benjamini and Hochberg (1995)
    over the segments of a comparison.
    """
    rows: list[dict[str, Any]] = []
    for _, experiment in aggregates.groupby("experiment_id", sort=True):
        rows += _of_experiment(experiment, smallest_cell)
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _of_experiment(experiment: pd.DataFrame, smallest_cell: int) -> list[dict[str, Any]]:
    plan = json.loads(experiment["plan"].iloc[0])
    as_of = pd.Timestamp(experiment["as_of"].iloc[0]).date()
    first, last = plan["start"], plan["end"]
    status = (
        "planned" if str(as_of) <= first else "running" if str(as_of) <= last else "ended"
    )
    everyone = experiment[experiment["segment_key"] == "all"]
    units = dict(zip(everyone["variant"], everyone["units"], strict=True))
    cells = plan["cells"]
    mismatch_p = mismatch(
        [int(units[cell["variant"]]) for cell in cells], [cell["share"] for cell in cells]
    )
    rows = []
    for (scheme, metric, span), group in experiment.groupby(
        ["scheme", "metric", "span"], sort=True
    ):
        arms_of = {
            str(segment_key): _arms(of_segment)
            for segment_key, of_segment in group.groupby("segment_key", sort=True)
        }
        withheld = _withheld(arms_of, str(scheme), smallest_cell)
        measured = group["is_measured"].dropna()
        for segment_key, arms in arms_of.items():
            for comparison in comparisons(plan):
                row = {
                    "as_of": as_of,
                    "experiment_id": plan["name"],
                    "scheme": scheme,
                    "segment_key": segment_key,
                    "metric": metric,
                    "span": span,
                    "comparison": comparison.name,
                    "kind": comparison.kind,
                    "mismatch_p": mismatch_p,
                    "is_measured": bool(measured.iloc[0]) if len(measured) else None,
                    "status": status,
                }
                row |= _compared(arms, comparison, plan, segment_key in withheld, smallest_cell)
                rows.append(row)
    _correct(rows)
    for row in rows:
        row["verdict"] = row["verdict"] or _verdict(row, plan)
    return rows


def _arms(rows: pd.DataFrame) -> dict[str, Arm]:
    arms = {}
    for row in rows.to_dict("records"):
        numbers = {
            name: math.nan if pd.isna(row[name]) else float(row[name])
            for name in ("mean", "variance", "mean_before", "variance_before", "covariance")
        }
        arms[str(row["variant"])] = Arm(
            units=int(row["units"]),
            customers=int(row["customers"]),
            events=None if pd.isna(row["events"]) else float(row["events"]),
            customers_before=int(row["customers_before"]),
            **numbers,
        )
    if any(arm.events is None for arm in arms.values() if arm.customers):
        arms = {variant: replace(arm, events=None) for variant, arm in arms.items()}
    return arms


def _withheld(
    arms_of: Mapping[str, Mapping[str, Arm]], scheme: str, smallest_cell: int
) -> set[str]:
    sizes = sorted(
        (min(arm.customers for arm in arms.values()), segment_key)
        for segment_key, arms in arms_of.items()
    )
    small = {segment_key for size, segment_key in sizes if size < smallest_cell}
    if len(small) == 1 and len(sizes) > 1 and scheme != "rule":
        small.add(sizes[1][1])
    return small


def _compared(
    arms: Mapping[str, Arm],
    comparison: Comparison,
    plan: Mapping[str, Any],
    is_withheld: bool,
    smallest_cell: int,
) -> dict[str, Any]:
    """The numbers of one comparison, or a verdict that says why there are none."""
    weights = comparison.weights
    used = {variant: arms[variant] for variant in weights}
    parts = [(weight, used[variant]) for variant, weight in weights.items()]
    empty = [variant for variant, arm in used.items() if not arm.units]
    unmeasured = [variant for variant, arm in used.items() if not arm.customers]
    reason = None
    if all(not arm.units for arm in used.values()):
        reason = "not to be judged: no customers assigned"
    elif empty:
        reason = f"not to be judged: no customers in {', '.join(empty)}"
    elif unmeasured:
        reason = f"not to be judged: no outcomes in {', '.join(unmeasured)}"
    elif is_withheld or min(arm.customers for arm in used.values()) < smallest_cell:
        reason = f"withheld: fewer than {smallest_cell} customers in a cell, or it would show one"
    elif min(arm.customers for arm in used.values()) < 2:
        reason = "not to be judged: fewer than 2 customers in a variant"
    elif _are_equal(used.values()):
        reason = "not to be judged: all outcomes are equal"
    elif len(parts) > 2 and has_few_events(parts):
        reason = f"not to be judged: fewer than {LEAST_EVENTS} events in a cell"
    if reason:
        return {"verdict": reason}
    estimate = difference(used, weights)
    if not estimate.error and math.isnan(estimate.p_value):
        return {"verdict": "not to be judged: outcomes do not vary within variants"}
    sides = {
        sign: [(abs(weight), arm) for weight, arm in parts if weight * sign > 0] for sign in (1, -1)
    }
    row: dict[str, Any] = {
        "verdict": None,
        "customers": sum(arm.customers for _, arm in sides[1]),
        "control_customers": sum(arm.customers for _, arm in sides[-1]),
        "effect": estimate.effect,
        "effect_low": estimate.low,
        "effect_high": estimate.high,
        "p_value": estimate.p_value,
        "detectable_effect": (_QUANTILE + float(stats.norm.ppf(POWER))) * estimate.error or None,
        "error": estimate.error,
        "is_share": all(arm.events is not None for arm in used.values()),
    }
    if comparison.kind != "interaction":
        row["mean"] = sum(weight * arm.mean for weight, arm in sides[1])
        row["control_mean"] = sum(weight * arm.mean for weight, arm in sides[-1])
        if ratio := relative(used, weights):
            row["relative_effect"], row["relative_low"], row["relative_high"] = ratio
        if plan["lift"] and estimate.error:
            steps = plan["lift"] * abs(row["control_mean"]) / estimate.error
            row["power"] = float(stats.norm.cdf(steps - _QUANTILE) + stats.norm.cdf(-steps - _QUANTILE))
    if (less := adjusted(used)) and (plain := _welch(parts)).error:
        cuped = _welch([(weight, less[variant]) for variant, weight in weights.items()])
        row["cuped_effect"], row["cuped_low"], row["cuped_high"] = (
            cuped.effect,
            cuped.low,
            cuped.high,
        )
        row["variance_reduction"] = 1 - (cuped.error / plain.error) ** 2
    return row


def _are_equal(arms: Iterable[Arm]) -> bool:
    arms = list(arms)
    return len({arm.mean for arm in arms}) == 1 and not any(arm.variance for arm in arms)


def _correct(rows: list[dict[str, Any]]) -> None:
    """Adds corrected p-values and shrunk effects to the rows of one experiment."""
    judged = [row for row in rows if row["span"] == "outcome" and row["verdict"] is None]
    family = [row for row in judged if row["segment_key"] == "all"]
    for row, p_value in zip(family, holm([row["p_value"] for row in family]), strict=True):
        row["p_corrected"], row["family"] = p_value, len(family)
    by_comparison: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    by_scheme: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in judged:
        if row["segment_key"] != "all":
            key = (row["metric"], row["comparison"])
            by_comparison.setdefault(key, []).append(row)
            if row["error"]:
                by_scheme.setdefault((*key, row["scheme"]), []).append(row)
    for group in by_comparison.values():
        corrected = stats.false_discovery_control([row["p_value"] for row in group])
        for row, p_value in zip(group, corrected, strict=True):
            row["p_corrected"], row["family"] = float(p_value), len(group)
    for group in by_scheme.values():
        effects = shrunk([row["effect"] for row in group], [row["error"] for row in group])
        for row, effect in zip(group, effects, strict=True):
            row["shrunk_effect"] = effect


def _verdict(row: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    is_share = row["is_share"]
    found = f"{_amount(row['effect'], is_share)}, {_interval(row, is_share)}"
    if row["span"] == "before":
        is_balanced = round(row["p_value"], 9) >= MISMATCH_LEVEL
        return "balanced" if is_balanced else f"not balanced: {found} before the assignment"
    if row["span"] != "outcome":
        return found
    if row["mismatch_p"] < MISMATCH_LEVEL:
        return f"not to be judged: mismatch, p {_p(row['mismatch_p'])}: the variants don't have the planned shares"
    if row["status"] != "ended":
        return f"running until {plan['end']}: {found} so far; judge it after its end"
    is_interaction = row["kind"] == "interaction"
    if round(row["p_corrected"], 9) < LEVEL:
        if is_interaction:
            return f"interaction: {found}"
        is_better = (row["effect"] > 0) != (row["metric"] in plan["lower_is_better"])
        return f"{'works' if is_better else 'harms'}: {found}"
    if round(row["p_value"], 9) < LEVEL:
        return f"not sure: {found}, but chance may give this in one of {row['family']} comparisons"
    most = max(abs(row["effect_low"]), abs(row["effect_high"]))
    what = "interaction" if is_interaction else "effect"
    return f"no {what} seen; {what}s of {_amount(most, is_share)[1:]} or more are ruled out"


def _amount(value: float, is_share: bool) -> str:
    return f"{100 * value:+,.1f} points" if is_share else f"{value:+,.2f}"


def _interval(row: Mapping[str, Any], is_share: bool) -> str:
    low, high = row["effect_low"], row["effect_high"]
    return (
        f"95% {100 * low:,.1f} to {100 * high:,.1f}" if is_share else f"95% {low:,.2f} to {high:,.2f}"
    )


def _p(p_value: float) -> str:
    return "below 0.000001" if p_value < 0.000001 else f"{p_value:.6f}"
