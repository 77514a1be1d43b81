"""The candidates, fitted: each gives a raw score, the larger the likelier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.long_table import tidy
from customer_segmentation.fits.predictions.trees import (
    Bins,
    boosting,
    fit_xgboost,
    forest,
    read_boosting,
    read_forest,
    read_xgboost,
)

# What a randomised search draws from, by the names of scikit-learn but for the penalty.
GRIDS: dict[str, dict[str, Sequence[float]]] = {
    # L2, per case and on features of unit variance: with a penalty on all cases together, a fold
    # would shrink its coefficients more than the fit on all, and calibrate another score.
    "logistic": {"penalty": (0.0001, 0.001, 0.01, 0.1)},
    # Shallow trees with large leaves: a few thousand cases hold no finer pattern. max_features is
    # the share of the features among which a split is sought.
    "forest": {
        "max_depth": (3, 4, 5),
        "min_samples_leaf": (10, 30),
        "max_features": (0.25, 0.5),
    },
    # 60 trees at .05 learn about half as much as at .1.
    "boosting": {
        "learning_rate": (0.05, 0.1),
        "max_depth": (2, 3, 4),
        "min_samples_leaf": (20, 60),
        "l2_regularization": (0.0, 10.0),
    },
    # min_child_weight adds up p(1 - p), at even odds a quarter per case: 20 are 80 cases.
    "xgboost": {
        "learning_rate": (0.05, 0.1),
        "max_depth": (2, 3, 4),
        "min_child_weight": (5, 20),
        "reg_lambda": (1.0, 10.0),
    },
}


class Model(Protocol):
    def raw(self, matrix: Matrix) -> Matrix:
        """Raw scores of scaled rows, shape (rows,)."""


@dataclass(frozen=True)
class Base:
    """The same for everyone."""

    def raw(self, matrix: Matrix) -> Matrix:
        return np.zeros(len(matrix))


@dataclass(frozen=True)
class Naive:
    """One feature, upwards (sign 1) or downwards (-1)."""

    position: int
    sign: int

    def raw(self, matrix: Matrix) -> Matrix:
        return self.sign * matrix[:, self.position]


@dataclass(frozen=True)
class Linear:
    """Coefficients of shape (features,), 0 for those that were dropped, and an intercept."""

    coefficients: Matrix
    intercept: float

    def raw(self, matrix: Matrix) -> Matrix:
        scores: Matrix = matrix @ self.coefficients + self.intercept
        return scores


@dataclass(frozen=True)
class Space:
    """What fits share: positions that logistic regression keeps, bins of the trees, a seed."""

    kept: Sequence[int]
    bins: Bins
    seed: int


def fit_model(
    name: str, parameters: Mapping[str, float], matrix: Matrix, outcome: Labels, space: Space
) -> Model:
    """A candidate of GRIDS; both outcomes weigh the same, however rare one is.

    matrix: shape (rows, features), scaled. outcome: shape (rows,), 0 and 1, both present.
    """
    if name == "logistic":
        return _fit_logistic(parameters, matrix, outcome, space.kept)
    bins = space.bins.of(matrix)
    if name == "forest":
        return read_forest(forest(parameters, len(bins), space.seed).fit(bins, outcome), space.bins)
    if name == "boosting":
        return read_boosting(boosting(parameters, space.seed).fit(bins, outcome), space.bins)
    return read_xgboost(fit_xgboost(parameters, bins, outcome, space.seed), space.bins)


def _fit_logistic(
    parameters: Mapping[str, float], matrix: Matrix, outcome: Labels, kept: Sequence[int]
) -> Linear:
    """Coefficients of the features as they are, penalised as if each had unit variance."""
    from sklearn.linear_model import LogisticRegression

    centre, spread = matrix.mean(axis=0), matrix.std(axis=0)
    used = [i for i in kept if spread[i] > 0]
    coefficients = np.zeros(matrix.shape[1])
    if not used:
        return Linear(coefficients, 0.0)
    # Newton's method converges to the last digits, where a gradient method stops early.
    fitted = LogisticRegression(
        C=1 / (parameters["penalty"] * len(outcome)),
        class_weight="balanced",
        solver="newton-cholesky",
        tol=1e-8,
    ).fit((matrix[:, used] - centre[used]) / spread[used], outcome)
    coefficients[used] = [tidy(float(value)) for value in fitted.coef_[0] / spread[used]]
    intercept = float(fitted.intercept_[0] - coefficients @ centre)
    return Linear(coefficients, tidy(intercept))
