"""The model of a date: how rows become coordinates, and its clusters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from customer_segmentation.fits.clusters.base import Labels, Matrix
from customer_segmentation.fits.clusters.features import Feature
from customer_segmentation.fits.clusters.names import Name
from customer_segmentation.fits.clusters.prepare import (
    Rotation,
    Scaler,
    fit_rotation,
    fit_scaler,
    rotate,
    scale,
)
from customer_segmentation.fits.clusters.update import assign, is_outlier

EVERYONE, OUTLIER = 0, -1  # keys of customers who are in no cluster of their own


@dataclass(frozen=True)
class Space:
    """How raw rows become coordinates: scaled features, or components of them."""

    scaler: Scaler
    rotation: Rotation | None

    def place(self, raw: Matrix) -> Matrix:
        scaled = scale(raw, self.scaler)
        return scaled if self.rotation is None else rotate(scaled, self.rotation)


@dataclass(frozen=True)
class Model:
    """The model in force at a date; without keys everyone is in one group.

    keys: of the clusters, ascending. centroids: shape (k, dimensions), limits: shape (k,), both in
    their order. chosen_on, chosen_among: the date of the selection, and the customers of that date.
    members: rows of the fit in each cluster.
    """

    algorithm: str
    chosen_on: str
    chosen_among: int
    keys: tuple[int, ...] = ()
    space: Space | None = None
    centroids: Matrix = field(default_factory=lambda: np.empty((0, 0)))
    limits: Matrix = field(default_factory=lambda: np.empty(0))
    names: tuple[Name, ...] = ()
    members: tuple[int, ...] = ()

    def keys_of(self, raw: Matrix) -> Labels:
        """The key of each row's cluster, shape (rows,), OUTLIER for none, or EVERYONE."""
        if self.space is None or len(raw) == 0:
            return np.full(len(raw), EVERYONE, dtype=np.int64)
        nearest, distances = assign(self.space.place(raw), self.centroids)
        far = is_outlier(distances, self.limits)
        return np.where(far, OUTLIER, np.array(self.keys)[nearest]).astype(np.int64)


@dataclass(frozen=True)
class Sample:
    """The rows of a date, and the number of customers that they were drawn from."""

    as_of: str
    customers: int
    keys: Labels
    raw: Matrix


@dataclass(frozen=True)
class Settings:
    specs: tuple[Feature, ...]
    k_min: int
    k_max: int
    seed: int
    pca: bool
    noun: str


def fit_space(raw: Matrix, settings: Settings) -> Space:
    scaler = fit_scaler(raw, settings.specs)
    return Space(scaler, fit_rotation(scale(raw, scaler)) if settings.pca else None)
