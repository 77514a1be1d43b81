"""Centroids of a model in force: assignment, refits, updates, outliers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Labels, Matrix, load_fitters
from customer_segmentation.fits.clusters.rotation import Rotation, rotate
from customer_segmentation.fits.scaling import Scaler

_BATCH = 1024
_FENCE = 3  # interquartile ranges beyond the third quartile


def assign(matrix: Matrix, centroids: Matrix) -> tuple[Labels, Matrix]:
    """Nearest centroid per row, the first of equally near ones, and all distances (rows, k).

    Distances that agree to 1e-9 are equal.
    """
    squares = np.empty((len(matrix), len(centroids)))
    for i, centroid in enumerate(centroids):
        squares[:, i] = ((matrix - centroid) ** 2).sum(axis=1)
    distances: Matrix = np.sqrt(squares)
    nearest = distances.min(axis=1, keepdims=True)
    return (distances <= nearest + 1e-9).argmax(axis=1).astype(np.int64), distances


def refit(matrix: Matrix, centroids: Matrix) -> tuple[Labels, Matrix]:
    """Labels (rows,) and centroids (k, features) after Lloyd's iterations from given centroids.

    For a refit from the centroids in force, and to take centroids found on a sample by k-means,
    MiniBatch or ward to more rows (for ward this is the consolidation of Lebart et al. 1995 and of
    R's `FactoMineR::HCPC`). The order of the centroids stays. matrix: at least k rows.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    load_fitters()
    with threadpool_limits(1):
        model = KMeans(n_clusters=len(centroids), init=centroids, n_init=1, tol=0).fit(matrix)
    return model.labels_.astype(np.int64), model.cluster_centers_


def update_centroids(matrix: Matrix, centroids: Matrix, members: npt.ArrayLike) -> Matrix:
    """Centroids moved by new rows between refits, shape (k, features), in the same order.

    MiniBatch k-means (Sculley 2010): each centroid is the running mean of what it was fitted on and
    of the new rows nearest to it. members: shape (k,), rows each centroid was fitted on, its weight
    against the new ones. matrix: new rows, always in the same order. No centroid is ever reassigned
    (reassignment_ratio=0), so keys keep their meaning.
    """
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    load_fitters()
    weights = np.asarray(members, dtype=np.float64)
    model = MiniBatchKMeans(
        n_clusters=len(centroids), init=centroids, n_init=1, reassignment_ratio=0, random_state=0
    )
    with threadpool_limits(1):
        model.partial_fit(centroids, sample_weight=weights)
        for start in range(0, len(matrix), _BATCH):
            model.partial_fit(matrix[start : start + _BATCH])
    moved: Matrix = model.cluster_centers_
    return moved


def move_centroids(
    centroids: Matrix,
    old: Scaler,
    new: Scaler,
    old_rotation: Rotation | None = None,
    new_rotation: Rotation | None = None,
) -> Matrix:
    """Centroids of one preparation in the space of another with the same features and logs.

    Exact without rotation; a rotation loses the omitted components. Caps are not applied: they
    contain the centroids.
    """
    scaled = centroids
    if old_rotation is not None:
        scaled = centroids @ old_rotation.loadings.T + old_rotation.centre
    moved: Matrix = (scaled * old.scale + old.centre - new.centre) / new.scale
    return moved if new_rotation is None else rotate(moved, new_rotation)


def outlier_distances(labels: Labels, distances: Matrix) -> Matrix:
    """The distance beyond which a customer is an outlier of a cluster, shape (k,).

    Tukey's outer fence of the members' distances to their centroid: the third quartile plus three
    interquartile ranges (Tukey 1977); the largest distance if the quartiles are equal.
    distances: shape (rows, k). An empty cluster has 0.
    """
    limits = np.zeros(distances.shape[1])
    for i in range(len(limits)):
        own = distances[labels == i, i]
        if len(own):
            first, third = np.quantile(own, [0.25, 0.75])
            limits[i] = third + _FENCE * (third - first) if third > first else own.max()
    return limits


def is_outlier(distances: Matrix, limits: Matrix) -> npt.NDArray[np.bool_]:
    """Whether a row is farther from every centroid than that cluster's limit, shape (rows,)."""
    within: npt.NDArray[np.int64] = (distances <= limits + 1e-9).sum(axis=1)
    return np.asarray(within == 0)
