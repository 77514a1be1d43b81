"""Candidates: clusterings by several algorithms, each with the indices that exist for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix, draw_rows, load_fitters
from customer_segmentation.fits.clusters import indices
from customer_segmentation.fits.clusters.base import NOISE, count_distinct

SCREENED_ROWS = 2500
LINKAGES = ("ward", "complete", "average")

_STARTS = 10


@dataclass(frozen=True)
class Candidate:
    """One clustering of the rows with its indices. None: the index does not exist for it.

    labels: shape (rows,), from 0; noise is -1. centroids: shape (k, features), the means of the
    members; of density methods, whose groups have any shape, shape (0, features).
    inertia: sum of squared distances to the own centroid. gap, gap_error, is_elbow and stability
    (mean clusterwise Jaccard) are of k-means only; simulated_silhouette and its standard deviation
    are of k-means on data without clusters, noise_share of density methods.
    """

    k: int
    labels: Labels
    centroids: Matrix
    inertia: float | None
    silhouette: float | None
    davies_bouldin: float | None
    calinski_harabasz: float | None
    smallest_share: float
    algorithm: str = "kmeans"
    dunn: float | None = None
    simulated_silhouette: float | None = None
    simulated_silhouette_sd: float | None = None
    gap: float | None = None
    gap_error: float | None = None
    is_elbow: bool | None = None
    stability: float | None = None
    noise_share: float | None = None


@dataclass(frozen=True)
class Screening:
    """All candidates on one sample, and the k of the gap statistic (None without candidates).

    rows: of the sample; customers: that it was drawn from.
    """

    candidates: tuple[Candidate, ...]
    gap_k: int | None
    rows: int
    distinct: int
    customers: int


def screen(matrix: Matrix, k_max: int, seed: int) -> Screening:
    """All algorithms for k = 2 .. k_max on at most 2,500 rows, with all indices, on one thread.

    matrix: shape (rows, features), always in the same order. Of more rows a seeded sample is drawn,
    in the given order. Algorithms: k-means, MiniBatch k-means (Sculley 2010), ward, complete and
    average linkage, DBSCAN (Ester et al. 1996) and HDBSCAN (Campello et al. 2013). Fewer than three
    distinct points give no candidates.
    """
    from sklearn import config_context
    from threadpoolctl import threadpool_limits

    customers = len(matrix)
    matrix = matrix[draw_rows(customers, SCREENED_ROWS, seed)]
    distinct = count_distinct(matrix)
    largest = min(distinct, len(matrix) - 1, k_max)
    if largest < 2:
        return Screening((), None, len(matrix), distinct, customers)
    ks = range(2, largest + 1)
    load_fitters()
    # Checked once, not in each of a thousand fits.
    sound = config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(1), sound:
        distances = indices.distances_of(matrix)
        kmeans, gap_k = _with_evidence(
            matrix, [_kmeans(matrix, k, seed, distances) for k in ks], seed
        )
        candidates = [
            *kmeans,
            *(found for k in ks if (found := _mini_batch(matrix, k, seed, distances)).k == k),
            *(found for name in LINKAGES for found in _linked(matrix, name, ks, distances)),
            _dbscan(matrix, distances),
            _hdbscan(matrix, distances),
        ]
    return Screening(tuple(candidates), gap_k, len(matrix), distinct, customers)


def measure(
    matrix: Matrix,
    labels: Labels,
    algorithm: str,
    distances: Matrix | None = None,
) -> Candidate:
    """A candidate with the indices that follow from rows and labels; noise is left out of them.

    distances: shape (rows, rows); without them there is no Dunn index and silhouettes are slower.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    kept = labels != NOISE
    rows, own = matrix[kept], labels[kept]
    k = int(own.max()) + 1 if len(own) else 0
    sizes = np.bincount(own, minlength=k)
    centroids = np.array([rows[own == i].mean(axis=0) for i in range(k)]) if k else rows[:0]
    grouped = 2 <= k < len(own)
    if not grouped:
        silhouette = None
    elif distances is None:
        silhouette = float(silhouette_score(rows, own))
    else:
        own_distances = distances if kept.all() else distances[np.ix_(kept, kept)]
        silhouette = float(silhouette_score(own_distances, own, metric="precomputed"))
    return Candidate(
        algorithm=algorithm,
        k=k,
        labels=labels,
        centroids=centroids,
        inertia=float(((rows - centroids[own]) ** 2).sum()) if k else None,
        silhouette=silhouette,
        davies_bouldin=float(davies_bouldin_score(rows, own)) if grouped else None,
        calinski_harabasz=float(calinski_harabasz_score(rows, own)) if grouped else None,
        smallest_share=float(sizes.min() / len(labels)) if k else 0.0,
        dunn=None if distances is None else indices.dunn(distances, labels),
    )


def _kmeans(matrix: Matrix, k: int, seed: int, distances: Matrix | None = None) -> Candidate:
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(matrix)
    found = measure(matrix, model.labels_.astype(np.int64), "kmeans", distances)
    return replace(found, centroids=model.cluster_centers_, inertia=float(model.inertia_))


def _with_evidence(
    matrix: Matrix, found: Sequence[Candidate], seed: int
) -> tuple[list[Candidate], int | None]:
    """k-means candidates with gap, elbow, stability and simulated silhouette, and the gap's k."""
    inertias = [indices.kmeans_inertia(matrix, 1, seed), *(c.inertia or 0.0 for c in found)]
    # Without spread inside the clusters log W does not exist, nor for larger k: no gap could be
    # larger than the first of these.
    nothing = [i for i, inertia in enumerate(inertias) if inertia <= 1e-9 * inertias[0]]
    usable = inertias[: nothing[0]] if nothing else inertias
    gap, error = indices.gap_statistic(matrix, usable, seed=seed)
    elbow = indices.knee(inertias) + 1
    simulated = indices.simulated_silhouettes(matrix, [c.k for c in found], seed=seed)
    scored = []
    for candidate in found:
        at, k = candidate.k - 1, candidate.k
        jaccard = indices.clusterwise_jaccard(
            matrix, candidate.labels, partial(_labels_of_draw, k=k), seed=seed
        )
        scored.append(
            replace(
                with_reference(candidate, simulated),
                gap=float(gap[at]) if at < len(gap) else None,
                gap_error=float(error[at]) if at < len(gap) else None,
                is_elbow=k == elbow,
                stability=float(jaccard.mean()),
            )
        )
    if nothing:
        gap, error = np.append(gap, np.inf), np.append(error, 0.0)
    return scored, indices.groups_by_gap(gap, error)


def with_reference(candidate: Candidate, simulated: Mapping[int, Sequence[float]]) -> Candidate:
    """With the mean and the standard deviation of the silhouettes of its k, if there are any."""
    values = simulated.get(candidate.k)
    if not values:
        return candidate
    return replace(
        candidate,
        simulated_silhouette=float(np.mean(values)),
        simulated_silhouette_sd=float(np.std(values, ddof=1)),
    )


def _labels_of_draw(rows: Matrix, seed: int, *, k: int) -> Labels:
    return indices.kmeans_labels(rows, k, seed)


def _mini_batch(matrix: Matrix, k: int, seed: int, distances: Matrix) -> Candidate:
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(matrix)
    # A centroid may end up without rows; then there are fewer clusters and no candidate for k.
    _, labels = np.unique(model.labels_, return_inverse=True)
    return measure(matrix, labels.astype(np.int64), "minibatch", distances)


def _linked(
    matrix: Matrix, linkage: str, ks: Sequence[int] | range, distances: Matrix
) -> list[Candidate]:
    merges = link(matrix, linkage)
    return [measure(matrix, cut(merges, k), linkage, distances) for k in ks]


def link(matrix: Matrix, linkage: str) -> Matrix:
    """The tree of an agglomerative clustering, shape (rows - 1, 4), as scipy writes it.

    Columns: the two groups merged (rows are 0 .. n - 1, merge i makes group n + i), height, size.
    Memory grows with the rows squared: 20,000 rows take over 3 GB.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial import distance

    # Of rows, scipy warns where they look like a table of distances, as those of two customers may.
    merges: Matrix = hierarchy.linkage(distance.pdist(matrix), linkage)
    return merges


def cut(merges: Matrix, k: int) -> Labels:
    """Labels of exactly k groups, from the first rows - k merges, numbered by their first row.

    `scipy.cluster.hierarchy.fcluster` gives fewer groups where heights are equal.
    """
    rows = len(merges) + 1
    group = np.arange(rows + len(merges))
    for i in range(rows - k):
        group[merges[i, :2].astype(np.int64)] = rows + i
    # Parents have higher numbers, so from the top down each group finds its last parent.
    for i in range(len(group) - 1, -1, -1):
        group[i] = group[group[i]]
    _, first, inverse = np.unique(group[:rows], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _dbscan(matrix: Matrix, distances: Matrix) -> Candidate:
    from sklearn.cluster import DBSCAN

    neighbours = min(2 * matrix.shape[1], len(matrix) - 1)
    eps = neighbour_distance(distances, neighbours)
    if eps == 0:
        labels = np.full(len(matrix), NOISE, dtype=np.int64)
    else:
        model = DBSCAN(eps=eps, min_samples=neighbours + 1, metric="precomputed").fit(distances)
        labels = model.labels_.astype(np.int64)
    return _with_noise(measure(matrix, labels, "dbscan", distances))


def neighbour_distance(distances: Matrix, neighbours: int) -> float:
    """Radius for DBSCAN: the knee of the rows' distances to their neighbour of that rank, sorted.

    Ester et al. (1996, section 4.2); twice the features as rank after Sander et al. (1998).
    distances: shape (rows, rows), more rows than neighbours.
    """
    ranked = np.sort(np.partition(distances, neighbours, axis=1)[:, neighbours])
    return float(ranked[indices.knee(ranked)])


def _hdbscan(matrix: Matrix, distances: Matrix) -> Candidate:
    from sklearn.cluster import HDBSCAN

    # A cluster of less than a hundredth of the rows could not be chosen.
    size = min(max(5, 2 * matrix.shape[1], len(matrix) // 100), len(matrix))
    model = HDBSCAN(min_cluster_size=max(2, size), copy=True).fit(matrix)
    return _with_noise(measure(matrix, model.labels_.astype(np.int64), "hdbscan", distances))


def _with_noise(candidate: Candidate) -> Candidate:
    noise = float((candidate.labels == NOISE).mean())
    return replace(candidate, centroids=candidate.centroids[:0], inertia=None, noise_share=noise)
