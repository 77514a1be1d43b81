"""Differences between the arms of an experiment, from aggregates.

Every comparison is a contrast of the means of the arms: treatment minus control; in a factorial
design a level of a factor minus its first level, averaged over the other factors, or a difference
of such differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.05
_WIDEST = 50  # of the logarithm of a ratio, on either side
LEAST_EVENTS = 10  # in an arm, for the normal approximation of a proportion
QUANTILE = float(stats.norm.ppf(1 - LEVEL / 2))


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
            for chosen in product(*(levels[factor][1:] for factor in factors)):
                wanted = dict(zip(factors, chosen, strict=True))
                name = " x ".join(f"{factor}: {level}" for factor, level in wanted.items())
                weights = {
                    cell["variant"]: _weight(cell["levels"], wanted, levels) for cell in cells
                }
                kind = "factor" if number == 1 else "interaction"
                used = {variant: weight for variant, weight in weights.items() if weight}
                found.append(Comparison(name, kind, used))
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

    Proportions are metrics of which every value is 0 or 1. With fewer than ten ones or zeros in
    an arm, two arms are compared by Fisher's exact test and Newcombe's interval (1998, method 10).
    """
    parts = [(weight, arms[variant]) for variant, weight in weights.items()]
    if any(arm.events is None for _, arm in parts):
        return welch(parts)
    effect = sum(weight * arm.mean for weight, arm in parts)
    spread = sum(w * w * arm.mean * (1 - arm.mean) / arm.customers for w, arm in parts)
    error = math.sqrt(spread)
    if has_few_events(parts):
        (_, treated), (_, control) = sorted(parts, key=lambda part: -part[0])
        low, high = newcombe(treated, control)
        table = [[arm.events, arm.customers - (arm.events or 0)] for arm in (treated, control)]
        p_value = float(stats.fisher_exact(np.array(table, dtype=int)).pvalue)
        return Estimate(effect, error, low, high, p_value)
    half = QUANTILE * error
    p_value = float(2 * stats.norm.sf(abs(effect) / error)) if error else math.nan
    return Estimate(effect, error, effect - half, effect + half, p_value)


def has_few_events(parts: Iterable[tuple[float, Arm]]) -> bool:
    return any(
        arm.events is not None and min(arm.events, arm.customers - arm.events) < LEAST_EVENTS
        for _, arm in parts
    )


def welch(parts: Sequence[tuple[float, Arm]]) -> Estimate:
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


def newcombe(treated: Arm, control: Arm) -> tuple[float, float]:
    (low, high), (control_low, control_high) = _wilson(treated), _wilson(control)
    effect = treated.mean - control.mean
    below = math.hypot(treated.mean - low, control_high - control.mean)
    above = math.hypot(high - treated.mean, control.mean - control_low)
    return effect - below, effect + above


def _wilson(arm: Arm) -> tuple[float, float]:
    squared = QUANTILE**2
    middle = arm.mean + squared / (2 * arm.customers)
    half = QUANTILE * math.sqrt(
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

    None unless both means are above 0, or where the interval would say nothing.
    """
    sides = []
    for sign in (1, -1):
        parts = [(abs(w), arms[variant]) for variant, w in weights.items() if w * sign > 0]
        mean = sum(weight * arm.mean for weight, arm in parts)
        # The twelve decimals in which values are summed.
        if mean < 1e-12:
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
    quantile = QUANTILE if freedom == math.inf else float(stats.t.ppf(1 - LEVEL / 2, freedom))
    half = quantile * math.sqrt(spread)
    if half > _WIDEST:
        return None
    factor = math.exp(half)
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
