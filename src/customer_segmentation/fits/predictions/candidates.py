"""Candidates, compared on folds of the training cases and fitted on all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from customer_segmentation.fits.base import Matrix
from customer_segmentation.fits.predictions.calibration import (
    Calibration,
    choose_calibration,
    fit_isotonic,
)
from customer_segmentation.fits.predictions.folds import Folds
from customer_segmentation.fits.predictions.measures import (
    best_threshold,
    probability_measures,
    ranking_measures,
)
from customer_segmentation.fits.predictions.models import (
    GRIDS,
    Base,
    Model,
    Naive,
    Space,
    fit_model,
)
from customer_segmentation.fits.predictions.sample import Cases
from customer_segmentation.fits.predictions.search import fold_scores, search

_FOLD_METRICS = ("roc_auc", "average_precision", "log_loss", "brier")


@dataclass(frozen=True)
class Candidate:
    """A fitted model with its calibration and how it did on the folds.

    threshold: the probability from which on a case is called positive. folds: metrics of each fold,
    in order. parameters: what the search found, empty where nothing was searched.
    """

    name: str
    model: Model
    calibration: Calibration
    threshold: float
    folds: tuple[dict[str, float], ...]
    parameters: dict[str, float] = field(default_factory=dict)

    @property
    def mean_precision(self) -> float:
        return float(np.mean([fold["average_precision"] for fold in self.folds]))

    def probabilities(self, matrix: Matrix) -> Matrix:
        return self.calibration.probabilities(self.model.raw(matrix))


def fit_candidates(
    training: Cases, folds: Folds, naive: Naive, space: Space, *, xgboost: bool
) -> dict[str, Candidate]:
    """The base rate, the naive rule and the candidates of GRIDS, by name; XGBoost where asked for.

    A model is calibrated on the scores of the folds, which it wasn't fitted on; the base rate and
    the naive rule have nothing to be fitted but their calibration, and are calibrated on all cases.
    """
    found = {}
    simple: dict[str, Model] = {"base_rate": Base(), "naive": naive}
    for name, model in simple.items():
        calibration: Calibration = fit_isotonic(model.raw(training.values), training.outcome)
        scores = [model.raw(training.at(own).values) for _, own in folds.pairs]
        found[name] = _candidate(name, model, calibration, scores, training, folds, {})
    for name in GRIDS:
        if name == "xgboost" and not xgboost:
            continue
        parameters = search(name, training, folds, space)
        scores = fold_scores(name, parameters, training, folds, space)
        outcomes = [training.outcome[own] for _, own in folds.pairs]
        calibration = choose_calibration(scores, outcomes)
        model = fit_model(name, parameters, training.values, training.outcome, space)
        found[name] = _candidate(name, model, calibration, scores, training, folds, parameters)
    return found


def _candidate(
    name: str,
    model: Model,
    calibration: Calibration,
    scores: list[Matrix],
    training: Cases,
    folds: Folds,
    parameters: dict[str, float],
) -> Candidate:
    measured = []
    for own_scores, (_, own) in zip(scores, folds.pairs, strict=True):
        outcome = training.outcome[own]
        measures = {
            **ranking_measures(outcome, own_scores),
            **probability_measures(outcome, calibration.probabilities(own_scores)),
        }
        measured.append({metric: measures[metric] for metric in _FOLD_METRICS})
    threshold = best_threshold(
        np.concatenate([training.outcome[own] for _, own in folds.pairs]),
        calibration.probabilities(np.concatenate(scores)),
    )
    return Candidate(name, model, calibration, threshold, tuple(measured), parameters)
