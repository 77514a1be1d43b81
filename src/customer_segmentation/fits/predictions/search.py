"""Randomised search (Bergstra, Bengio 2012) for the parameters of a candidate."""

from __future__ import annotations

from itertools import product

from customer_segmentation.fits.base import Matrix, draw_rows
from customer_segmentation.fits.predictions.folds import Folds
from customer_segmentation.fits.predictions.measures import average_precision
from customer_segmentation.fits.predictions.models import GRIDS, Space, fit_model
from customer_segmentation.fits.predictions.sample import Cases

_DRAWS = 4  # of a grid
_ROWS = 4000  # fitted on per fold


def search(name: str, training: Cases, folds: Folds, space: Space) -> dict[str, float]:
    """Of four points of the grid, the one with the best mean average precision over the folds.

    Of equally good ones the first of the grid. Each fold is fitted on at most 4,000 drawn cases.
    """
    points = list(product(*GRIDS[name].values()))
    best, best_mean = {}, -1.0
    for place in draw_rows(len(points), _DRAWS, space.seed):
        parameters = dict(zip(GRIDS[name], points[place], strict=True))
        mean = _mean_precision(name, parameters, training, folds, space)
        if mean > best_mean:
            best, best_mean = parameters, mean
    return best


def _mean_precision(
    name: str, parameters: dict[str, float], training: Cases, folds: Folds, space: Space
) -> float:
    found = []
    for fitted, predicted in folds.pairs:
        few = training.at(fitted[draw_rows(len(fitted), _ROWS, space.seed)])
        if not few.has_both:
            few = training.at(fitted)
        own = training.at(predicted)
        scores = fit_model(name, parameters, few.values, few.outcome, space).raw(own.values)
        found.append(average_precision(own.outcome, scores))
    return sum(found) / len(found)


def fold_scores(
    name: str, parameters: dict[str, float], training: Cases, folds: Folds, space: Space
) -> list[Matrix]:
    """Raw scores of the predicted cases of each fold, fitted on all of its cases."""
    scores = []
    for fitted, predicted in folds.pairs:
        own = training.at(fitted)
        model = fit_model(name, parameters, own.values, own.outcome, space)
        scores.append(model.raw(training.at(predicted).values))
    return scores
