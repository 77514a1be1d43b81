"""The effects of experiments as a table, each with a verdict in words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from scipy import stats

from customer_segmentation.cells import withheld_rows
from customer_segmentation.experiments.estimates import (
    LEAST_EVENTS,
    LEVEL,
    QUANTILE,
    Arm,
    Comparison,
    adjusted,
    comparisons,
    difference,
    has_few_events,
    holm,
    mismatch,
    relative,
    shrunk,
    welch,
)

MISMATCH_LEVEL = 0.001
POWER = 0.8
_MOST_DECIMALS = 12  # in which values are summed

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


def experiment_effects(aggregates: pd.DataFrame, *, smallest_cell: int) -> pd.DataFrame:
    """One row per experiment, segment, metric, span and comparison: the effect and its verdict.

    aggregates: the columns of int_marts__experiment_aggregates but sample_hash, one row per
    variant. Row order never matters.
    smallest_cell: comparisons with fewer customers in an arm are withheld, and so are as many other
    segments of an exclusive scheme as it takes that they can't be computed back.

    Returns the columns of _DTYPES. Numbers are null where a verdict says why. Corrected p-values
    are by Holm over the comparisons and metrics of an experiment, and by Benjamini and Hochberg
    (1995) over the segments of a comparison.
    """
    rows: list[dict[str, Any]] = []
    for _, experiment in aggregates.groupby("experiment_id", sort=True):
        rows += _of_experiment(experiment, smallest_cell)
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _of_experiment(experiment: pd.DataFrame, smallest_cell: int) -> list[dict[str, Any]]:
    plan = json.loads(experiment["plan"].iloc[0])
    as_of = pd.Timestamp(experiment["as_of"].iloc[0]).date()
    first, last = plan["start"], plan["end"]
    status = "planned" if str(as_of) <= first else "running" if str(as_of) <= last else "ended"
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
        hidden = _withheld(arms_of, str(scheme), smallest_cell)
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
                row |= _compared(arms, comparison, plan, segment_key in hidden, smallest_cell)
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
    """The segments that are withheld in all arms, since the whole and the others are known.

    What counts are customers with a value.
    """
    if scheme == "all":
        return set()
    variants = list(next(iter(arms_of.values())))
    customers = [[arms[name].customers for name in variants] for arms in arms_of.values()]
    hidden = withheld_rows(customers, () if scheme == "rule" else ("all",), smallest_cell)
    return {segment for place, segment in enumerate(arms_of) if place in hidden}


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
    is_small = min(arm.customers for arm in used.values()) < smallest_cell
    small = (
        f"withheld: fewer than {smallest_cell} customers in a variant, here or in a segment "
        "that could be computed from this one"
    )
    reason = None
    if is_withheld:
        reason = small
    elif all(not arm.units for arm in used.values()):
        reason = "not to be judged: no customers assigned"
    elif empty:
        reason = f"not to be judged: no customers in {', '.join(empty)}"
    elif unmeasured:
        reason = f"not to be judged: no outcomes in {', '.join(unmeasured)}"
    elif is_small:
        reason = small
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
        "detectable_effect": (QUANTILE + float(stats.norm.ppf(POWER))) * estimate.error or None,
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
            row["power"] = float(
                stats.norm.cdf(steps - QUANTILE) + stats.norm.cdf(-steps - QUANTILE)
            )
    if (less := adjusted(used)) and (plain := welch(parts)).error:
        cuped = welch([(weight, less[variant]) for variant, weight in weights.items()])
        row |= {"cuped_effect": cuped.effect, "cuped_low": cuped.low, "cuped_high": cuped.high}
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
    low, high = row["effect_low"], row["effect_high"]
    excludes_0 = low > 0 or high < 0
    scale, unit = (100, " points") if row["is_share"] else (1, "")
    decimals = _decimals(scale * low, scale * high, least=1 if row["is_share"] else 2)
    found = (
        f"{scale * row['effect']:+,.{decimals}f}{unit}, "
        f"95% {scale * low:,.{decimals}f} to {scale * high:,.{decimals}f}"
    )
    if row["span"] == "before":
        is_balanced = round(row["p_value"], 9) >= MISMATCH_LEVEL
        return "balanced" if is_balanced else f"not balanced: {found} before the assignment"
    if row["span"] != "outcome":
        return found
    if round(row["mismatch_p"], 9) < MISMATCH_LEVEL:
        return (
            f"not to be judged: mismatch, the variants do not have their planned shares "
            f"(p {_p(row['mismatch_p'])})"
        )
    if row["status"] != "ended":
        return f"running until {plan['end']}: {found} so far; judge it after its end"
    if (round(row["p_value"], 9) < LEVEL) != excludes_0:
        return f"not sure: {found}, and p {_p(row['p_value'])} does not agree with this interval"
    is_interaction = row["kind"] == "interaction"
    if round(row["p_corrected"], 9) < LEVEL:
        if is_interaction:
            return f"interaction: {found}"
        is_better = (row["effect"] > 0) != (row["metric"] in plan["lower_is_better"])
        return f"{'works' if is_better else 'harms'}: {found}"
    if excludes_0:
        return f"not sure: {found}, but chance may give this in one of {row['family']} comparisons"
    most = _rounded_up(scale * max(abs(low), abs(high)), decimals)
    what = "interaction" if is_interaction else "effect"
    return f"no {what} seen; {what}s of {most:,.{decimals}f}{unit} or more are ruled out"


def _decimals(low: float, high: float, *, least: int) -> int:
    """As many that the width of an interval has two digits, and a bound that isn't 0 shows it.

    A bound may be as near to 0 as it likes where the interval contains 0.
    """
    sizes = [(high - low) / 10]
    if low > 0 or high < 0:
        sizes.append(min(abs(low), abs(high)))
    needed = [-math.floor(math.log10(size)) for size in sizes if size > 0]
    return min(max([least, *needed]), _MOST_DECIMALS)


def _rounded_up(value: float, decimals: int) -> float:
    """Away from 0, but for what may be noise of the last bits."""
    scaled = value * 10.0**decimals
    return math.ceil(scaled * (1 - 1e-12)) / 10.0**decimals


def _p(p_value: float) -> str:
    return "below 0.000001" if p_value < 0.000001 else f"{p_value:.6f}"
