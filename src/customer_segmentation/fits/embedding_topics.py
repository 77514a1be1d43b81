"""Topics of customers' texts from their vectors: principal components, and k-means on these."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from customer_segmentation.fits.long_table import Row, long_table
from customer_segmentation.fits.topics import successors

_DIGITS = 6
_LEAST_VARIANCE = 1e-6


def fit_embedding_topics(sample: pd.DataFrame, *, count: int, seed: int) -> pd.DataFrame:
    """Components of the vectors and topics among them, separately for each `as_of`.

    Method: principal components of the vectors, and k-means with ten starts on the tickets'
    coordinates, as PCA and KMeans of scikit-learn compute them. At the first date components are
    numbered by variance and topics by size. Later, each gets the number of the most similar one of
    the previous date (pairs with the largest sum of cosines), and components its sign.

    sample: one row per as_of (date) and ticket_key, with vector (all of one length). Row order
    never matters.
    count: number of components and of topics; fewer if there are fewer distinct texts.
    seed: of k-means.

    Returns the columns as_of, part, name, number, feature and value, with these parts:
    model: one row a date; name kmeans; value: tickets.
    mean: of dimension `feature` of the vectors.
    loading: of dimension `feature` in component `number` (from 1). Components have length 1; at the
    first date the largest loading is positive.
    centre: value: tickets nearest to the centre of topic `number` (from 1).
    coordinate: of that centre on component `feature`.
    variance: of tickets around their centre, the mean over components; at least 1e-6.
    likeness: cosine of topic `number` with that topic of the date before, each seen from the mean
    of its date; 0 if negative or where there was none; no row at the first date.
    """
    fits: dict[dt.date, list[Row]] = {}
    components = directions = None
    for as_of, tickets in sample.groupby("as_of", sort=True):
        vectors = np.stack(tickets.sort_values("ticket_key")["vector"].to_list()).astype("float64")
        mean = vectors.mean(axis=0).round(_DIGITS)
        loadings = _components(vectors, count)
        if components is not None:
            numbers, _ = successors(loadings, components)
            loadings = loadings.set_axis(numbers, axis=1).sort_index(axis=1)
            before = components.reindex(columns=loadings.columns, fill_value=0.0)
            loadings *= np.where((loadings * before).sum() < 0, -1, 1)
        points = ((vectors - mean) @ loadings.to_numpy()).round(_DIGITS)
        centres, sizes, variance = _topics(points, count, seed)
        seen = loadings.to_numpy() @ centres.T
        seen /= np.linalg.norm(seen, axis=0).clip(_LEAST_VARIANCE)
        topics = pd.DataFrame(seen, loadings.index, range(1, len(centres) + 1))
        rows = [Row("model", float(len(vectors)), name="kmeans"), Row("variance", variance)]
        if directions is not None:
            numbers, likeness = successors(topics, directions, is_signed=True)
            topics.columns = pd.Index(numbers)
            rows += [Row("likeness", value, number=n) for n, value in likeness.items()]
        for dimension, value in zip(loadings.index, mean, strict=True):
            rows.append(Row("mean", value, feature=dimension))
        for component, weights in loadings.items():
            rows += [Row("loading", v, number=component, feature=d) for d, v in weights.items()]
        for topic, centre, size in zip(topics, centres, sizes, strict=True):
            rows.append(Row("centre", float(size), number=topic))
            for component, value in zip(loadings, centre, strict=True):
                rows.append(Row("coordinate", value, number=topic, feature=f"{component:02}"))
        fits[pd.Timestamp(as_of).date()] = rows
        components, directions = loadings, topics
    return long_table(fits)


def _components(vectors: NDArray[np.float64], count: int) -> pd.DataFrame:
    """The loading of each dimension (row) in each component (column, from 1)."""
    dimensions = [f"{number:05}" for number in range(1, vectors.shape[1] + 1)]
    weights = np.zeros((0, len(dimensions)))
    if (vectors != vectors[0]).any():
        decomposition = PCA(min(count, *vectors.shape), svd_solver="covariance_eigh")
        with threadpool_limits(1):
            decomposition.fit(vectors)
        variances = decomposition.explained_variance_
        weights = decomposition.components_[variances > _LEAST_VARIANCE * variances[0]]
    signs = np.sign(weights[np.arange(len(weights)), np.abs(weights).argmax(axis=1)])
    return pd.DataFrame(
        (weights * signs[:, None]).T.round(_DIGITS), dimensions, range(1, len(weights) + 1)
    )


def _topics(
    points: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """Centres (rows) and their tickets, the largest first, and the variance around them."""
    distinct = len(np.unique(points, axis=0)) if points.shape[1] else 1
    if distinct == 1:
        return points[:1], np.array([len(points)]), _LEAST_VARIANCE
    with threadpool_limits(1):
        found = KMeans(min(count, distinct), n_init=10, random_state=seed).fit(points)
    sizes = np.bincount(found.labels_)
    # Equal sizes in the order of their first coordinates.
    order = np.lexsort((*found.cluster_centers_.T[::-1], -sizes))
    variance = max(float(found.inertia_) / points.size, _LEAST_VARIANCE)
    return found.cluster_centers_[order].round(_DIGITS), sizes[order], variance
