"""Folds: which training cases are fitted on, and which of them are then predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from customer_segmentation.fits.base import Labels
from customer_segmentation.fits.predictions.sample import Cases

_MOST = 3


@dataclass(frozen=True)
class Folds:
    """pairs: positions of the cases to fit on and of those to predict. forward: by time, or not."""

    pairs: tuple[tuple[Labels, Labels], ...]
    forward: bool


def make_folds(training: Cases, horizon_days: int) -> Folds:
    """The last three folds forward in time; where there are none, three folds of customers.

    A fold forward in time predicts one origin from the origins whose outcome was known by then. A
    fold without both outcomes on both sides is left out, so there may be none at all.
    """
    forward = _usable(training, _forward(training, horizon_days))[-_MOST:]
    if forward:
        return Folds(forward, forward=True)
    return Folds(_usable(training, _by_customer(training)), forward=False)


def _forward(training: Cases, horizon_days: int) -> Iterator[tuple[Labels, Labels]]:
    known_from = training.origins + np.timedelta64(horizon_days, "D")
    for origin in np.unique(training.origins):
        yield np.flatnonzero(known_from <= origin), np.flatnonzero(training.origins == origin)


def _by_customer(training: Cases) -> Iterator[tuple[Labels, Labels]]:
    """Customers in turn, ordered by their positive cases, so that each fold has as many."""
    customers, own = np.unique(training.customers, return_inverse=True)
    positives = np.bincount(own, weights=training.outcome)
    fold = np.empty(len(customers), dtype=np.int64)
    fold[np.argsort(positives, kind="stable")] = np.arange(len(customers)) % _MOST
    for number in range(_MOST):
        yield np.flatnonzero(fold[own] != number), np.flatnonzero(fold[own] == number)


def _usable(
    training: Cases, pairs: Iterator[tuple[Labels, Labels]]
) -> tuple[tuple[Labels, Labels], ...]:
    return tuple(
        (fitted, predicted)
        for fitted, predicted in pairs
        if training.at(fitted).has_both and training.at(predicted).has_both
    )
