"""Calibration: from a raw score to a probability that never falls as the score rises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.long_table import tidy

# Knots lie a millionth apart at least: the last bits of a sum must not matter between two of them.
_DECIMALS = 6
_HARDLY_ANY_PENALTY = 1e6  # keeps the slope of a constant score at 0


@dataclass(frozen=True)
class Isotonic:
    """Knots, shape (knots,): linear between them, constant beyond the first and the last."""

    x: Matrix
    y: Matrix

    def probabilities(self, scores: Matrix) -> Matrix:
        found: Matrix = np.interp(scores, self.x, self.y)
        return found


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(a * score + b))."""

    a: float
    b: float

    def probabilities(self, scores: Matrix) -> Matrix:
        from scipy.special import expit

        found: Matrix = expit(-(self.a * scores + self.b))
        return found


Calibration = Isotonic | Sigmoid


def fit_isotonic(scores: Matrix, outcome: Labels) -> Isotonic:
    """Isotonic regression (Zadrozny, Elkan 2002) within Platt's bounds, so nothing is certain.

    scores, outcome: shape (rows,), at least one row.
    """
    from sklearn.isotonic import IsotonicRegression

    lowest, highest = _bounds(outcome)
    fitted = IsotonicRegression(y_min=lowest, y_max=highest)
    fitted.fit(np.round(scores, _DECIMALS), outcome)
    x, y = fitted.X_thresholds_, fitted.y_thresholds_
    return Isotonic(*(np.array([tidy(float(value)) for value in values]) for values in (x, y)))


def fit_sigmoid(scores: Matrix, outcome: Labels) -> Sigmoid:
    """Platt scaling (Platt 1999), with his targets short of 0 and 1.

    scores, outcome: shape (rows,), both outcomes present. A score that orders the wrong way round
    gives everyone the same probability.
    """
    from sklearn.linear_model import LogisticRegression

    lowest, highest = _bounds(outcome)
    target = np.where(outcome == 1, highest, lowest)
    spread = float(scores.std()) or 1.0
    # Each case is positive with the weight of its target, and negative with the rest.
    fitted = LogisticRegression(C=_HARDLY_ANY_PENALTY, solver="newton-cholesky", tol=1e-8).fit(
        np.tile(scores / spread, 2)[:, None],
        np.repeat([1, 0], len(scores)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slope = float(fitted.coef_[0, 0]) / spread
    if slope > 0:
        return Sigmoid(tidy(-slope), tidy(-float(fitted.intercept_[0])))
    rate = float(target.mean())
    return Sigmoid(0.0, tidy(float(np.log(1 / rate - 1))))


def _bounds(outcome: Labels) -> tuple[float, float]:
    positives = int(outcome.sum())
    return 1 / (len(outcome) - positives + 2), (positives + 1) / (positives + 2)


def choose_calibration(scores: Sequence[Matrix], outcomes: Sequence[Labels]) -> Calibration:
    """The kind with the smaller Brier score on the last fold, fitted on the others; then on all.

    With one fold there is none to choose on: the sigmoid, which has the fewest parameters.
    scores, outcomes: of the predicted cases of each fold, at least one fold.
    """
    every = np.concatenate(scores), np.concatenate(outcomes)
    if len(scores) == 1:
        return fit_sigmoid(*every)
    others = np.concatenate(scores[:-1]), np.concatenate(outcomes[:-1])
    errors = [
        np.mean((fit(*others).probabilities(scores[-1]) - outcomes[-1]) ** 2)
        for fit in (fit_sigmoid, fit_isotonic)
    ]
    return fit_isotonic(*every) if errors[1] < errors[0] else fit_sigmoid(*every)


def calibrate_again(calibration: Calibration, scores: Matrix, outcome: Labels) -> Calibration:
    """A calibration of the same kind, fitted on other cases; both outcomes present."""
    kind = fit_isotonic if isinstance(calibration, Isotonic) else fit_sigmoid
    return kind(scores, outcome)
