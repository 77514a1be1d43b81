"""Tree ensembles as plain arrays, which SQL can apply.

Trees are grown on the quantile bin of a value, not on the value. Bins are small whole numbers, so
no tree depends on whether a library compares in single or double precision, and growing takes a
fraction of the time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.long_table import tidy

BEYOND = 1e300  # threshold that no value exceeds
DEPTH = 5  # of all trees, padded; SQL walks so many levels

_BINS = 64
_FOREST_TREES = 40
_ROWS_PER_TREE = 2000  # of a forest: more rows make its trees more alike, and slow
_BOOSTING_TREES = 60
_HALF_STEP = 5e-5  # values have four decimals, so no value lies on a threshold


@dataclass(frozen=True)
class Trees:
    """Complete binary trees in heap order: the children of node i are 2i+1 and 2i+2.

    features, thresholds: shape (trees, 2^DEPTH - 1); a row goes left if its value of the feature
    (position from 0) is at most the threshold. leaves: shape (trees, 2^DEPTH), from the left. The
    raw score is the baseline plus the leaf of each tree.
    """

    features: Labels
    thresholds: Matrix
    leaves: Matrix
    baseline: float

    def raw(self, matrix: Matrix) -> Matrix:
        """Raw scores, shape (rows,)."""
        flat = np.ascontiguousarray(matrix).ravel()
        first = np.arange(len(matrix)) * matrix.shape[1]
        total = np.full(len(matrix), self.baseline)
        for features, thresholds, leaves in zip(
            self.features, self.thresholds, self.leaves, strict=True
        ):
            node = np.zeros(len(matrix), dtype=np.int64)
            for _ in range(DEPTH):
                goes_right = flat.take(first + features.take(node)) > thresholds.take(node)
                node = 2 * node + 1 + goes_right
            total += leaves.take(node - len(features))
        return total


@dataclass(frozen=True)
class Bins:
    """Increasing upper bounds of the bins of each feature but the last; values equal are below."""

    bounds: tuple[Matrix, ...]

    def of(self, matrix: Matrix) -> Matrix:
        """The bin of each value from 0, shape (rows, features), as floats."""
        columns = [np.searchsorted(of, x) for of, x in zip(self.bounds, matrix.T, strict=True)]
        return np.column_stack(columns).astype(np.float64)


def fit_bins(matrix: Matrix) -> Bins:
    """Up to 64 bins at quantiles of each column, between one value with four decimals and the next.

    matrix: shape (rows, features), at least one row.
    """
    shares = np.arange(1, _BINS) / _BINS
    cuts = np.quantile(matrix, shares, axis=0, method="inverted_cdf")
    return Bins(tuple(np.unique([tidy(cut + _HALF_STEP) for cut in column]) for column in cuts.T))


def forest(parameters: Mapping[str, Any], rows: int, seed: int) -> Any:
    """A random forest (Breiman 2001) to be fitted on bins."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        _FOREST_TREES,
        max_samples=min(rows, _ROWS_PER_TREE),
        class_weight="balanced",
        random_state=seed,
        **parameters,
    )


def boosting(parameters: Mapping[str, Any], seed: int) -> Any:
    """Histogram gradient boosting (Friedman 2001; Ke et al. 2017) to be fitted on bins."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=_BOOSTING_TREES,
        class_weight="balanced",
        early_stopping=False,
        random_state=seed,
        **parameters,
    )


def require_xgboost() -> None:
    """Raises ModuleNotFoundError with one line, before any time is spent."""
    if find_spec("xgboost") is None:
        raise ModuleNotFoundError(
            "Var prediction_xgboost is true, but XGBoost is not installed. Expected the extra "
            "xgboost: pip install 'customer-segmentation[xgboost]'; or set the var to false."
        )


def fit_xgboost(parameters: Mapping[str, Any], bins: Matrix, outcome: Labels, seed: int) -> Any:
    """XGBoost (Chen, Guestrin 2016), fitted on bins; both outcomes weigh the same."""
    from sklearn.utils.class_weight import compute_sample_weight
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=_BOOSTING_TREES,
        tree_method="hist",
        base_score=0.5,
        n_jobs=1,
        random_state=seed,
        **parameters,
    ).fit(bins, outcome, sample_weight=compute_sample_weight("balanced", outcome))


@dataclass(frozen=True)
class _Tree:
    """Nodes of a tree as scikit-learn has them; a leaf has no children (left 0 or -1)."""

    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    threshold: Sequence[float]
    value: Sequence[float]


def read_forest(fitted: Any, bins: Bins) -> Trees:
    """The mean of the trees' shares of weight, as a sum."""
    trees = [
        _Tree(
            tree.children_left.tolist(),
            tree.children_right.tolist(),
            tree.feature.tolist(),
            tree.threshold.tolist(),
            (tree.value[:, 0, 1] / len(fitted.estimators_)).tolist(),
        )
        for tree in (estimator.tree_ for estimator in fitted.estimators_)
    ]
    return _complete(trees, bins, 0.0)


def read_boosting(fitted: Any, bins: Bins) -> Trees:
    """scikit-learn has no public access to the trees of this class; a test compares the scores."""
    nodes = [predictors[0].nodes for predictors in fitted._predictors]
    names = ("left", "right", "feature_idx", "num_threshold", "value")
    trees = [_Tree(*(of[name].tolist() for name in names)) for of in nodes]
    return _complete(trees, bins, tidy(float(np.ravel(fitted._baseline_prediction)[0])))


def read_xgboost(fitted: Any, bins: Bins) -> Trees:
    """From the library's own JSON. A row goes left if its bin is less than the condition."""
    model = json.loads(fitted.get_booster().save_raw("json"))
    trees = [
        _Tree(
            tree["left_children"],
            tree["right_children"],
            tree["split_indices"],
            [math.ceil(condition) - 1 for condition in tree["split_conditions"]],
            tree["split_conditions"],  # of a leaf its value
        )
        for tree in model["learner"]["gradient_booster"]["model"]["trees"]
    ]
    return _complete(trees, bins, 0.0)


def _complete(trees: Sequence[_Tree], bins: Bins, baseline: float) -> Trees:
    """Pads all trees to DEPTH; a leaf that is too high gets two equal halves."""
    features = np.zeros((len(trees), 2**DEPTH - 1), dtype=np.int64)
    thresholds = np.full((len(trees), 2**DEPTH - 1), BEYOND)
    leaves = np.zeros((len(trees), 2**DEPTH))
    for number, tree in enumerate(trees):
        waiting = [(0, 0, 0)]
        while waiting:
            node, level, place = waiting.pop()
            if tree.left[node] <= 0:
                width = 2 ** (DEPTH - level)
                leaves[number, place * width : (place + 1) * width] = tidy(tree.value[node])
                continue
            feature, heap = tree.feature[node], 2**level - 1 + place
            features[number, heap] = feature
            thresholds[number, heap] = bins.bounds[feature][int(tree.threshold[node])]
            waiting.append((tree.left[node], level + 1, 2 * place))
            waiting.append((tree.right[node], level + 1, 2 * place + 1))
    return Trees(features, thresholds, leaves, baseline)
