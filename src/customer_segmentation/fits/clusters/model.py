"""The model of a date: how rows become coordinates, and its clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.clusters.names import Name
from customer_segmentation.fits.clusters.rotation import Rotation, fit_rotation, rotate
from customer_segmentation.fits.clusters.update import assign, is_outlier
from customer_segmentation.fits.features import LARGEST, Feature, values_of
from customer_segmentation.fits.scaling import Scaler, fit_scaler, scale

if TYPE_CHECKING:
    import pandas as pd

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


def usable_rows(sample: pd.DataFrame, specs: Sequence[Feature]) -> tuple[Labels, Matrix]:
    """Keys and values of the complete rows, in order of customer_key, then of the values.

    Shapes (rows,) and (rows, features). Incomplete is a row where a feature is missing, infinite or
    beyond 1e100.
    """
    import pandas as pd

    raw = values_of(sample, specs)
    keys = pd.to_numeric(sample["customer_key"]).to_numpy("int64")
    order = np.lexsort((*raw.T[::-1], keys))
    keys, raw = keys[order], raw[order]
    complete = (np.abs(raw) <= LARGEST).all(axis=1)
    return keys[complete], raw[complete]


def ordering_position(specs: Sequence[Feature]) -> int:
    """Position of the feature that orders clusters: the one marked, else monetary, else 0."""
    marked = [i for i, spec in enumerate(specs) if spec.orders_clusters]
    monetary = [i for i, spec in enumerate(specs) if spec.name == "monetary"]
    return [*marked, *monetary, 0][0]
