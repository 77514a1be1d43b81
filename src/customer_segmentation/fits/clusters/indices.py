"""Indices that no library has: gap, Dunn, clusterwise Jaccard, elbow, simulated silhouette."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.clusters.base import NOISE, count_distinct

REFERENCES = 30
DRAWS = 20
SIMULATIONS = 10
FAR_ABOVE = 0.55  # of the gap of one group, in logarithms
_STARTS = 3  # of k-means where only the typical result matters


def distances_of(matrix: Matrix) -> Matrix:
    """Euclidean distances between all rows, shape (rows, rows): 50 MB for 2,500 rows."""
    from scipy.spatial.distance import pdist, squareform

    found: Matrix = squareform(pdist(matrix))
    return found


def dunn(distances: Matrix, labels: Labels) -> float | None:
    """Least distance between clusters over the largest diameter (Dunn 1974); noise is left out.

    distances: shape (rows, rows). None for fewer than two clusters, or if none has a
    diameter.
    """
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] != NOISE]
    ends = np.cumsum(np.unique(labels[order], return_counts=True)[1])
    blocks = distances[np.ix_(order, order)]
    diameter, apart = 0.0, np.inf
    for start, end in zip([0, *ends[:-1]], ends, strict=False):
        diameter = max(diameter, float(blocks[start:end, start:end].max()))
        apart = min(apart, float(blocks[start:end, end:].min(initial=np.inf)))
    return apart / diameter if np.isfinite(apart) and diameter > 0 else None


def kmeans_inertia(matrix: Matrix, k: int, seed: int, starts: int = _STARTS) -> float:
    """Sum of squared distances to the nearest of k means."""
    if k == 1:
        return float(((matrix - matrix.mean(axis=0)) ** 2).sum())
    from sklearn.cluster import KMeans

    return float(KMeans(n_clusters=k, n_init=starts, random_state=seed).fit(matrix).inertia_)


def kmeans_labels(matrix: Matrix, k: int, seed: int) -> Labels:
    """Labels of k-means, shape (rows,); as many clusters as distinct points if those are fewer."""
    from sklearn.cluster import KMeans

    k = min(k, count_distinct(matrix))
    model = KMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(matrix)
    return np.asarray(model.labels_, dtype=np.int64)


def log_w(inertia: float) -> float:
    """The log W of the gap statistic: W is half the sum of squared distances to the means."""
    return float(np.log(inertia / 2))


def gap_statistic(
    matrix: Matrix, inertias: Sequence[float], *, seed: int, references: int = REFERENCES
) -> tuple[Matrix, Matrix]:
    """Gap and its standard error for k = 1 .. len(inertias), each of shape (k,).

    Tibshirani, Walther and Hastie (2001), "Estimating the number of clusters in a data set via the
    gap statistic", section 3: squared distances, references uniform over the box of the principal
    components (their choice b), the error being the population deviation times sqrt(1 + 1/B).
    inertias: of the data for k = 1, 2, ..; all above 0.
    """
    centred = matrix - matrix.mean(axis=0)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    low, high = turned.min(axis=0), turned.max(axis=0)
    rng = np.random.default_rng(seed)
    logs = np.empty((references, len(inertias)))
    for b in range(references):
        # Not turned back: k-means gives the same W in any rotation.
        reference = rng.uniform(low, high, turned.shape)
        for i in range(len(inertias)):
            logs[b, i] = log_w(kmeans_inertia(reference, i + 1, seed + b))
    gap: Matrix = logs.mean(axis=0) - np.array([log_w(inertia) for inertia in inertias])
    return gap, logs.std(axis=0) * np.sqrt(1 + 1 / references)


def choose_by_gap(gap: Matrix, error: Matrix) -> int:
    """The first k whose gap is at least the next one less its error; the last k if there is none.

    The rule of the paper, `Tibs2001SEmax` in R's `cluster::maxSE`.
    """
    holds = gap[:-1] >= gap[1:] - error[1:]
    return int(np.argmax(holds)) + 1 if holds.any() else len(gap)


def groups_by_gap(gap: Matrix, error: Matrix) -> int:
    """`choose_by_gap`, but 1 only if no larger k has a gap far above the first one.

    The rule of the paper stops at the first k that the next one does not beat. Clusters at the
    corners of a cube are hardly better cut in two than not at all, so in 4 of 10 draws the rule
    calls five clusters, five deviations apart, one cluster; their gap is at least 0.7 above the
    first. The gap of a long Gaussian with capped ends rises by up to 0.45, because its references
    are rounder. From 0.55 up the first k within one error of the best is taken.
    """
    best = int(np.argmax(gap))
    k = choose_by_gap(gap, error)
    if k > 1 or gap[best] - gap[0] < FAR_ABOVE:
        return k
    return int(np.argmax(gap >= gap[best] - error[best])) + 1


def clusterwise_jaccard(
    matrix: Matrix,
    labels: Labels,
    cluster: Callable[[Matrix, int], Labels],
    *,
    seed: int,
    draws: int = DRAWS,
) -> Matrix:
    """Stability of each cluster in bootstrap draws, shape (k,), from 0 to 1.

    Hennig (2007), "Cluster-wise assessment of cluster stability", the bootstrap of R's
    `fpc::clusterboot`, with repeated rows taken once: the draw is clustered, and the drawn part of
    each cluster is compared with the new one it overlaps most (intersection over union); the mean
    over draws. A cluster without drawn rows counts 0.
    labels: shape (rows,), 0 to k - 1. cluster: rows and a seed to labels from 0.
    """
    rng = np.random.default_rng(seed)
    k = int(labels.max()) + 1
    found = np.zeros((draws, k))
    for b in range(draws):
        drawn = np.unique(rng.integers(0, len(matrix), len(matrix)))
        new = cluster(matrix[drawn], seed + b)
        both = np.zeros((k, int(new.max()) + 1))
        np.add.at(both, (labels[drawn], new), 1)
        union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        found[b] = (both / np.maximum(union, 1)).max(axis=1)
    mean: Matrix = found.mean(axis=0)
    return mean


def without_clusters(matrix: Matrix, seed: int) -> Matrix:
    """Random rows with the same columns and rank correlations, but no clusters beyond those.

    A Gaussian copula: normal rows with the correlations of the columns' normal scores, each column
    then replaced by the real values in the same order of rank (Iman and Conover 1982, "A
    distribution-free approach to inducing rank correlation among input variables"). Every column is
    a permutation of the real one. matrix: shape (rows, features), at least one row.
    """
    scores = np.column_stack([_normal_scores(column) for column in matrix.T])
    deviation = scores.std(axis=0)
    scores = (scores - scores.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    values, vectors = np.linalg.eigh(scores.T @ scores / len(scores))
    root = vectors * np.sqrt(np.maximum(values, 0))
    drawn = np.random.default_rng(seed).standard_normal(matrix.shape) @ root.T
    ranks = drawn.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    simulated: Matrix = np.take_along_axis(np.sort(matrix, axis=0), ranks, axis=0)
    return simulated


def _normal_scores(column: Matrix) -> Matrix:
    """Normal quantiles of the ranks; equal values share their mean rank."""
    from scipy.special import ndtri

    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    scores: Matrix = ndtri(middle / len(column))[inverse]
    return scores


def simulated_silhouettes(
    matrix: Matrix, ks: Iterable[int], *, seed: int, simulations: int = SIMULATIONS
) -> dict[int, list[float]]:
    """Silhouettes of k-means on data without clusters, per k.

    Empty for a single column: its values alone are the data, so nothing can be simulated.
    """
    from sklearn.metrics import silhouette_score

    if matrix.shape[1] < 2:
        return {}
    found: dict[int, list[float]] = {}
    for b in range(simulations):
        rows = without_clusters(matrix, seed + b)
        distances = distances_of(rows)
        largest = min(count_distinct(rows), len(rows) - 1)
        for k in ks:
            if 2 <= k <= largest:
                labels = kmeans_labels(rows, k, seed + b)
                value = silhouette_score(distances, labels, metric="precomputed")
                found.setdefault(k, []).append(float(value))
    return found


def knee(values: Sequence[float] | npt.NDArray[np.float64]) -> int:
    """Position where a convex curve turns from steep to flat: where it is farthest below its chord.

    The strongest of the knees of Kneedle (Satopaa et al. 2011, "Finding a kneedle in a haystack"),
    which itself takes the first: on a curve of many measured points that is a small bend. Rising
    and falling curves are treated alike. The first in a tie; 0 for a curve that is nowhere below
    its chord, or has fewer than three values.
    """
    curve = np.asarray(values, dtype=np.float64)
    if len(curve) < 3 or np.ptp(curve) == 0:
        return 0
    rises = curve[-1] > curve[0]
    chord = np.linspace(not rises, rises, len(curve))
    below = np.round(chord - (curve - curve.min()) / np.ptp(curve), 12)
    return int(below.argmax()) if below.max() > 0 else 0
