"""Whether a prediction is as good for one group as for the others, on outcomes that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from customer_segmentation.cells import withheld_rows
from customer_segmentation.experiments.estimates import LEVEL
from customer_segmentation.fairness.groups import (
    TOO_FEW,
    compared,
    is_among_unknown,
    p_values,
    pool,
    verdict_of,
)

_KEYS = ("target", "thresholds", "attribute", "attribute_group")
_CELLS = ("true_positives", "false_negatives", "false_positives", "true_negatives")
_NUMBERS = (
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "opportunity_difference",
    "difference_low",
    "difference_high",
    "opportunity_ratio",
    "p_value",
    "p_corrected",
    "predicted",
    "observed",
    "calibration_p_value",
    "calibration_p_corrected",
)
_DTYPES: dict[str, str] = {
    "as_of": "date32[day][pyarrow]",
    "origin": "date32[day][pyarrow]",
    **dict.fromkeys(_KEYS, "str"),
    "customers": "Int64",
    "positives": "Int64",
    **dict.fromkeys(_NUMBERS, "float64"),
    "verdict": "str",
    "calibration_verdict": "str",
}
_WORDS = ("found less often", "found more often")
_CALIBRATION = ("comes about less often", "comes about more often")


def prediction_rates(
    counts: pd.DataFrame, *, smallest_cell: int, least_ratio: float
) -> pd.DataFrame:
    """One row per prediction, kind of threshold, attribute and group, with two verdicts.

    counts: the columns of int_marts__prediction_counts but sample_hash. Row order never matters.
    smallest_cell: a group is withheld where fewer of its customers were called likely, or not, of
    those for whom it came about, or did not; and so are as many other groups as it takes that
    nothing can be computed from the figures of all customers.
    least_ratio: those for whom it comes about are found less often in a group if their share that
    was called likely is below this share of that of the others, and more often above 1 /
    least_ratio, where chance does not explain it.

    Returns the columns of _DTYPES. p-values of the true positive rate are of Fisher's exact test;
    those of the calibration compare the outcomes with the sum of the probabilities, by the normal
    approximation. Both are corrected by Benjamini and Hochberg (1995) over all rows of a kind of
    threshold that are not withheld.
    """
    ordered = counts.sort_values(["as_of", *_KEYS])
    rows: list[dict[str, Any]] = []
    for _, part in ordered.groupby(["as_of", "target", "thresholds", "attribute"], sort=True):
        rows += _of_attribute(part.to_dict("records"), smallest_cell, least_ratio)
    for thresholds in sorted(set(counts["thresholds"])):
        shown = [
            row for row in rows if row["thresholds"] == thresholds and row["verdict"] != TOO_FEW
        ]
        tested = p_values([row["table"] for row in shown])
        for row, (p_value, p_corrected) in zip(shown, tested, strict=True):
            row |= {"p_value": p_value, "p_corrected": p_corrected}
            row["verdict"] = verdict_of(row, "opportunity", p_corrected, least_ratio, _WORDS)
        _judge_calibration(shown)
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _of_attribute(
    cells: Sequence[dict[str, Any]], smallest: int, least_ratio: float
) -> list[dict[str, Any]]:
    hidden = withheld_rows([[cell[name] for name in _CELLS] for cell in cells], ("all",), smallest)
    positives = sum(_positives(cell) for cell in cells)
    found = sum(cell["true_positives"] for cell in cells)
    unknown, is_open = None, False
    for position, cell in enumerate(cells):
        cell |= {"positives": _positives(cell), "all_positives": positives, "all_found": found}
        if cell["attribute_group"] == "unknown":
            unknown, is_open = cell, position not in hidden
    rows = []
    for position, cell in enumerate(cells):
        row = {name: cell[name] for name in ("as_of", "origin", *_KEYS)}
        if position in hidden or (
            unknown and not is_open and is_among_unknown(cell, unknown, "positives", least_ratio)
        ):
            rows.append(row | {"verdict": TOO_FEW, "calibration_verdict": TOO_FEW})
        else:
            rows.append(row | {"verdict": None} | _rates(cell, unknown if is_open else None))
    return rows


def _positives(cell: dict[str, Any]) -> int:
    return int(cell["true_positives"] + cell["false_negatives"])


def _rates(cell: dict[str, Any], unknown: dict[str, Any] | None) -> dict[str, Any]:
    customers = sum(cell[name] for name in _CELLS)
    found, positives = cell["true_positives"], cell["positives"]
    negatives = customers - positives
    all_positives, all_found = pool(
        cell, unknown, [("all_positives", "positives"), ("all_found", "true_positives")]
    )
    against = compared(found, positives, all_found - found, all_positives - positives)
    return {
        "customers": customers,
        "positives": positives,
        "selection_rate": (found + cell["false_positives"]) / customers,
        "true_positive_rate": found / positives if positives else None,
        "false_positive_rate": cell["false_positives"] / negatives if negatives else None,
        "opportunity_difference": against.get("parity_difference"),
        "difference_low": against.get("difference_low"),
        "difference_high": against.get("difference_high"),
        "opportunity_ratio": against.get("parity_ratio"),
        "table": (found, positives, all_found, all_positives),
        "predicted": cell["expected"] / customers,
        "observed": positives / customers,
        "deviation": _deviation(positives - cell["expected"], cell["variance"]),
    }


def _deviation(excess: float, variance: float) -> float:
    """Outcomes beyond the sum of the probabilities, in standard deviations."""
    if variance > 0:
        return excess / math.sqrt(variance)
    return math.copysign(math.inf, excess) if abs(excess) > 1e-9 else 0.0


def _judge_calibration(rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    deviations = np.array([row["deviation"] for row in rows])
    found = 2 * stats.norm.sf(np.abs(deviations))
    corrected = stats.false_discovery_control(found)
    for row, p_value, p_corrected in zip(rows, found, corrected, strict=True):
        row["calibration_p_value"], row["calibration_p_corrected"] = (
            float(p_value),
            float(p_corrected),
        )
        is_off = round(float(p_corrected), 9) < LEVEL
        row["calibration_verdict"] = _CALIBRATION[row["deviation"] > 0] if is_off else "ok"
