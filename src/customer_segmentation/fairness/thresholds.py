"""The scores from which on customers are called likely: one for all, or one per group."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

FEWEST = 50  # cases of a group with the outcome, and without, for a threshold of its own

Scores = npt.NDArray[np.float64]
_DTYPES = {
    "as_of": "date32[day][pyarrow]",
    "threshold_group": "str",
    "score": "float64",
    "cases": "Int64",
}


def fit_thresholds(
    cases: pd.DataFrame, *, constraint: str | None = None, attribute: str | None = None
) -> pd.DataFrame:
    """The raw score from which on a customer of a group is likely.

    cases: columns as_of, score, probability, threshold (of the probability), outcome (0 or 1) and
    threshold_group. Row order never matters.
    constraint: what is to be alike in all groups, demographic_parity (the share of the likely) or
    true_positive_rate_parity (the share of the likely among those with the outcome). Thresholds are
    then those of fairlearn's ThresholdOptimizer (Hardt, Price and Srebro 2016) at the best balanced
    accuracy. It draws between two thresholds of a group; the one that it draws more often is taken,
    so that a customer gets the same answer twice.
    attribute: by which the groups are; the cases have it in threshold_group already.

    Returns as_of, threshold_group, score and cases: of everyone, without a group, and with a
    constraint of each group that has at least FEWEST cases of either outcome, if two do. A score
    lies halfway between that of the last customer who is likely and the first who is not.
    """
    rows: list[tuple[object, str | None, float, int]] = []
    for as_of, of_date in cases.groupby("as_of", sort=True):
        part = of_date.sort_values(["score", "threshold_group", "outcome"], kind="stable")
        is_likely = (part["probability"] >= part["threshold"]).to_numpy()
        rows.append((as_of, None, _border(part["score"].to_numpy(), is_likely), len(part)))
        if constraint:
            rows += [(as_of, *row) for row in _by_group(part, constraint)]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _by_group(cases: pd.DataFrame, constraint: str) -> list[tuple[str, float, int]]:
    outcomes = cases.groupby("threshold_group")["outcome"].agg(["sum", "count"])
    fewer = np.minimum(outcomes["sum"], outcomes["count"] - outcomes["sum"])
    used = cases[cases["threshold_group"].isin(outcomes.index[fewer >= FEWEST])]
    if used["threshold_group"].nunique() < 2:
        return []
    found = _optimised(used, constraint)
    return [
        (str(group), _border(scores := part["score"].to_numpy(), scores > found[group]), len(part))
        for group, part in used.groupby("threshold_group", sort=True)
    ]


def _optimised(cases: pd.DataFrame, constraint: str) -> dict[str, float]:
    """The score above which fairlearn calls a case positive, by group."""
    try:
        from fairlearn.postprocessing import ThresholdOptimizer
    except ImportError as error:
        raise ModuleNotFoundError(
            "Var group_thresholds needs fairlearn, which is not installed: install "
            "customer-segmentation with the extra fairness, or leave the var empty."
        ) from error
    from sklearn.linear_model import LinearRegression

    scores = cases[["score"]].to_numpy()
    # It asks for a fitted model. The straight line through the scores themselves gives them back.
    optimizer = ThresholdOptimizer(
        estimator=LinearRegression().fit(scores, scores[:, 0]),
        constraints=constraint,
        objective="balanced_accuracy_score",
        prefit=True,
        predict_method="predict",
    )
    optimizer.fit(
        scores,
        cases["outcome"].to_numpy(),
        sensitive_features=cases["threshold_group"].to_numpy(),
    )
    return {
        group: (drawn.operation0 if drawn.p0 >= drawn.p1 else drawn.operation1).threshold
        for group, drawn in optimizer.interpolated_thresholder_.interpolation_dict.items()
    }


def _border(scores: Scores, is_likely: npt.NDArray[np.bool_]) -> float:
    """Halfway between the likely and the others. Beyond all scores if there are none of either."""
    likely, others = scores[is_likely], scores[~is_likely]
    if not len(likely):
        return float(others.max()) + 1
    if not len(others):
        return float(likely.min()) - 1
    return (float(likely.min()) + float(others.max())) / 2
