"""Clusters: k-means on a sample of customers, the evidence for k, and names for the groups.

One call, `fit_clusters`, returns parameters as one long table; assigning every customer to the
nearest centroid is SQL. The steps (prepare, score, choose, name) are functions of plain matrices.
Matrices have shape (rows, features) or (k, features), float64; features keep the given order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_score,
)
from sklearn.preprocessing import StandardScaler

# Imported after scikit-learn: a limit set before its libraries are loaded does nothing.
from threadpoolctl import threadpool_limits

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_DTYPES = {
    "as_of": "date32[day][pyarrow]",
    "part": "str",
    "name": "str",
    "number": "Int64",
    "feature": "str",
    "value": "float64",
}
_STARTS = 10
_CAPS = (0.01, 0.99)
_LARGEST = 1e100  # squares of anything larger overflow
_SAME_POINT = 6  # decimals of a standard deviation
_GOOD, _FAIR = 0.5, 0.25
_WORD_FROM = 0.35  # standard deviations from the average customer
_WORDS_FIRST = 2
_WORDS: dict[str, dict[str, str]] = {
    "recency_days": {"word_low": "recent", "word_high": "lapsed"},
    "frequency": {"word_low": "occasional", "word_high": "frequent"},
    "monetary": {"word_low": "small", "word_high": "big", "noun": "spenders"},
}
_VERY = {"lapsed": "long lapsed"}


@dataclass(frozen=True)
class Feature:
    """What to do with one column of the sample.

    column: where SQL found it in the wide table of features; not read here.
    log: use log1p; values below 0 count as 0 then.
    word_low, word_high: words for a cluster well below or above the average; "" for none.
    noun: what such a word describes, if not buyers ("big" -> "big spenders").
    orders_clusters: cluster 1 is the highest in this feature.
    """

    name: str
    column: str = ""
    log: bool = False
    word_low: str = ""
    word_high: str = ""
    noun: str = ""
    orders_clusters: bool = False


@dataclass(frozen=True)
class Scaler:
    """Parameters of `scale`, each of shape (features,); all but log_used hold after the log."""

    log_used: npt.NDArray[np.bool_]
    lower_cap: Matrix
    upper_cap: Matrix
    centre: Matrix
    scale: Matrix


@dataclass(frozen=True)
class Candidate:
    """k-means for one k: labels (rows,) from 0, centroids (k, features) and indices of fit."""

    k: int
    labels: Labels
    centroids: Matrix
    inertia: float
    silhouette: float
    davies_bouldin: float
    calinski_harabasz: float
    smallest_share: float


@dataclass(frozen=True)
class _Row:
    part: str
    value: float | None = None
    name: str | None = None
    number: int | None = None
    feature: str | None = None


def fit_clusters(
    sample: pd.DataFrame,
    *,
    features: Sequence[dict[str, Any]],
    k_min: int,
    k_max: int,
    seed: int,
) -> pd.DataFrame:
    """k-means for the best k, with its evidence, separately for each `as_of`.

    sample: one row per as_of and customer: as_of (date), customer_key (integer, for order only)
    and one numeric column per feature. Rows where a feature is missing, infinite or beyond 1e100
    are dropped. Row order never matters. Silhouettes take time with the square of the rows.
    features: dicts with the fields of `Feature`; only `name` is required. recency_days, frequency
    and monetary bring their words. If no feature is marked to order the clusters, monetary does,
    without it the first.
    k_min, k_max: the numbers of clusters to try, both included; one has no silhouette.

    Returns the columns as_of, part, name, number, feature, value; values have 12 significant
    digits. Parts:
    model         name kmeans, number k, value rows used; or name none, number 1
    verdict, why  name: good, fair, weak or none; a sentence
    cluster       number 1..k, name for people, value members in the sample; `everyone` for none
    candidate     number k, name of the index, value; `chosen` is 0 or 1
    scaler        name of the parameter (see `Scaler`), feature, value
    centroid      number, feature, value in standard deviations from the average
    centroid_raw  number, feature, value: mean of the members in the feature's own unit, uncapped

    Raises ValueError for a wrong feature specification, a missing column or an empty range of k.
    No data makes it raise or warn: where nothing can be grouped the verdict is none and says why.
    """
    if not 2 <= k_min <= k_max:
        raise ValueError(f"k_min is {k_min} and k_max {k_max}; expected 2 <= k_min <= k_max")
    specs = read_features(features)
    missing = {"as_of", "customer_key", *(spec.name for spec in specs)} - set(sample.columns)
    if missing:
        raise ValueError(f"columns missing from the sample: {', '.join(sorted(missing))}")
    days = pd.to_datetime(sample["as_of"])
    records = []
    for as_of in sorted(days.dropna().unique()):
        raw = usable_rows(sample[days == as_of], specs)
        rows = _sorted_rows(_fit_one(raw, specs, range(k_min, k_max + 1), seed))
        records += [(as_of.date(), r.part, r.name, r.number, r.feature, r.value) for r in rows]
    return pd.DataFrame(records, columns=list(_DTYPES)).astype(_DTYPES)


def read_features(features: Sequence[dict[str, Any]]) -> tuple[Feature, ...]:
    """Feature specifications with defaults filled in.

    Raises ValueError for no features, an unknown key, a missing or repeated name, or more than one
    feature that orders the clusters.
    """
    known = set(Feature.__dataclass_fields__)
    for given in features:
        if "name" not in given or set(given) - known:
            raise ValueError(f"feature {given}: expected a name and of {sorted(known)} any others")
    specs = [Feature(**{**_WORDS.get(given["name"], {}), **given}) for given in features]
    names = [spec.name for spec in specs]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"features {names}: expected at least one and each once")
    if sum(spec.orders_clusters for spec in specs) > 1:
        raise ValueError("only one feature can order the clusters")
    return tuple(specs)


# prepare


def usable_rows(sample: pd.DataFrame, specs: Sequence[Feature]) -> Matrix:
    """The complete rows of the features, in order of customer_key, then of the values."""
    columns = [pd.to_numeric(sample[spec.name].astype(object), errors="coerce") for spec in specs]
    raw = np.column_stack([column.to_numpy("float64", na_value=np.nan) for column in columns])
    keys = pd.to_numeric(sample["customer_key"]).to_numpy()
    order = np.lexsort((*raw.T[::-1], keys))
    raw = raw[order]
    complete: Matrix = raw[(np.abs(raw) <= _LARGEST).all(axis=1)]
    return complete


def fit_scaler(raw: Matrix, specs: Sequence[Feature], caps: tuple[float, float] = _CAPS) -> Scaler:
    """Caps at two quantiles (interpolated), then mean and population standard deviation.

    raw: shape (rows, features), at least one row. Below 100 rows the default quantiles lie between
    the extreme value and its neighbour, so a single outlier is capped in part only. A constant
    feature has scale 1.
    """
    log_used = np.array([spec.log for spec in specs])
    values = _log_where(raw, log_used)
    lower, upper = np.quantile(values, caps, axis=0)
    scaler = StandardScaler().fit(np.clip(values, lower, upper))
    return Scaler(log_used, lower, upper, scaler.mean_, scaler.scale_)


def scale(raw: Matrix, scaler: Scaler) -> Matrix:
    """Log, cap and standardise; the same arithmetic applies to customers outside the sample."""
    capped = np.clip(_log_where(raw, scaler.log_used), scaler.lower_cap, scaler.upper_cap)
    scaled: Matrix = (capped - scaler.centre) / scaler.scale
    return scaled


def _log_where(raw: Matrix, log_used: npt.NDArray[np.bool_]) -> Matrix:
    return np.where(log_used, np.log1p(np.maximum(raw, 0)), raw)


# score and choose


def score_candidates(matrix: Matrix, ks: Iterable[int], seed: int) -> list[Candidate]:
    """k-means for each k that the points allow, on one thread.

    Ten starts by k-means++ (Arthur and Vassilvitskii 2007), the one of least inertia stays. A k is
    skipped if it is 1, exceeds the number of distinct points or leaves no two rows together.
    Silhouette (Rousseeuw 1987), Davies-Bouldin (1979) and Calinski-Harabasz (1974) are those of
    scikit-learn: Euclidean, on all rows, silhouettes in time that grows with the rows squared.
    """
    largest = min(count_distinct(matrix), len(matrix) - 1)
    with threadpool_limits(1):
        return [_score(matrix, k, seed) for k in ks if 2 <= k <= largest]


def count_distinct(matrix: Matrix) -> int:
    """Number of points that differ in the sixth decimal or before.

    Points that differ in the last bits only are one point to k-means, which then warns.
    """
    return len(np.unique(np.round(matrix, _SAME_POINT), axis=0)) if len(matrix) else 0


def _score(matrix: Matrix, k: int, seed: int) -> Candidate:
    model = KMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(matrix)
    labels = model.labels_.astype(np.int64)
    return Candidate(
        k=k,
        labels=labels,
        centroids=model.cluster_centers_,
        inertia=float(model.inertia_),
        silhouette=float(silhouette_score(matrix, labels)),
        davies_bouldin=float(davies_bouldin_score(matrix, labels)),
        calinski_harabasz=float(calinski_harabasz_score(matrix, labels)),
        smallest_share=float(np.bincount(labels, minlength=k).min() / len(labels)),
    )


def choose_candidate(candidates: Sequence[Candidate]) -> Candidate | None:
    """The largest silhouette (to 12 digits), in a tie the smallest k; None without candidates."""
    return max(candidates, key=lambda c: (_tidy(c.silhouette), -c.k), default=None)


def order_clusters(candidate: Candidate, first: int) -> Candidate:
    """Renumber by the centroid in column `first`, then the other columns, all descending."""
    centroids = np.round(candidate.centroids, 12)
    columns = [first, *(i for i in range(centroids.shape[1]) if i != first)]
    order = np.lexsort([-centroids[:, i] for i in reversed(columns)])
    return replace(
        candidate,
        centroids=centroids[order],
        labels=np.argsort(order)[candidate.labels].astype(np.int64),
    )


def judge(silhouette: float) -> str:
    """Good from .5, fair from .25, else weak.

    The limits are those of Kaufman and Rousseeuw (1990, chapter 2), the words are ours.
    """
    return "good" if silhouette >= _GOOD else "fair" if silhouette >= _FAIR else "weak"


# name


def name_clusters(centroids: Matrix, specs: Sequence[Feature]) -> list[str]:
    """A name for each centroid, such as "Frequent big spenders"; no two are the same.

    centroids: shape (k, features), in standard deviations from the average customer.
    A word needs a distance of .35 and is for the side the centroid is on. The two strongest are
    used. Equal names get all their words; then a qualifier (very, fairly) for the word that tells
    them apart best; then the cluster number.
    """
    words = [_strongest_words(centroid, specs) for centroid in centroids]
    shown = [found[:_WORDS_FIRST] for found in words]
    names = [_phrase(used, specs, {}) for used in shown]
    for members in _same(names):
        for i in members:
            shown[i] = words[i]
            names[i] = _phrase(shown[i], specs, {})
    for members in _same(names):
        for i, qualifier in _qualifiers(centroids, shown, members).items():
            names[i] = _phrase(shown[i], specs, qualifier)
    for members in _same(names):
        for i in members:
            names[i] = f"{names[i]} ({i + 1})"
    return names


def _strongest_words(centroid: Matrix, specs: Sequence[Feature]) -> list[tuple[int, str]]:
    """(feature position, word) for each feature far enough from 0, the farthest first."""
    found = [
        (position, spec.word_high if centroid[position] > 0 else spec.word_low)
        for position, spec in enumerate(specs)
        if abs(centroid[position]) >= _WORD_FROM
    ]
    return sorted((f for f in found if f[1]), key=lambda f: (-abs(centroid[f[0]]), f[0]))


def _phrase(
    words: Sequence[tuple[int, str]], specs: Sequence[Feature], qualifiers: dict[int, str]
) -> str:
    """Adjectives in the order of the features, then the nouns: "recent big spenders"."""
    if not words:
        return "Typical buyers"
    adjectives, nouns = [], []
    for position, word in sorted(words):
        qualified = _qualify(word, qualifiers.get(position, ""))
        noun = specs[position].noun
        if noun:
            nouns.append(f"{qualified} {noun}")
        else:
            adjectives.append(qualified)
    text = " ".join([*adjectives, " and ".join(nouns) or "buyers"])
    return text[0].upper() + text[1:]


def _qualify(word: str, qualifier: str) -> str:
    if qualifier == "very" and word in _VERY:
        return _VERY[word]
    return f"{qualifier} {word}".strip()


def _qualifiers(
    centroids: Matrix, shown: Sequence[Sequence[tuple[int, str]]], members: Sequence[int]
) -> dict[int, dict[int, str]]:
    """For clusters of one name: very for the farthest, of three or more fairly for the nearest."""
    if not shown[members[0]]:
        return {}
    distance = np.abs(centroids[list(members)])
    spread = {position: np.ptp(distance[:, position]) for position, _ in shown[members[0]]}
    widest = max(sorted(spread), key=lambda position: spread[position])
    ranked = [members[i] for i in np.argsort(-distance[:, widest], kind="stable")]
    found = {ranked[0]: {widest: "very"}}
    if len(ranked) > 2:
        found[ranked[-1]] = {widest: "fairly"}
    return found if spread[widest] > 0 else {}


def _same(names: Sequence[str]) -> list[list[int]]:
    """Positions of equal names, for each name that occurs more than once."""
    positions = defaultdict(list)
    for i, name in enumerate(names):
        positions[name].append(i)
    return [found for found in positions.values() if len(found) > 1]


# explain


def explain(chosen: Candidate, tried: Sequence[int], verdict: str) -> str:
    """Why this k, in one sentence for people who don't read indices."""
    rows = f"{len(chosen.labels):,} customers"
    if len(tried) > 1:
        found = f"Of {min(tried)} to {max(tried)} groups tried on {rows}, {chosen.k} separate best"
    else:
        found = f"Only {chosen.k} groups were tried on {rows}"
    meaning = {
        "good": "customers are clearly closer to their own group than to the next",
        "fair": "the groups touch, so read them as bands of a continuum",
        "weak": "the groups run into each other, so read them as bands of a continuum",
    }[verdict]
    return (
        f"{found}: the silhouette is {chosen.silhouette:.3f} (1 is perfect, 0 is no separation), "
        f"which is {verdict}: {meaning}."
    )


def explain_none(rows: int, distinct: int, k_min: int) -> str:
    """Why there is one group only."""
    if rows == 0:
        reason = "no customer has a value for every feature"
    elif rows == 1:
        reason = "there is only one customer"
    elif distinct == 1:
        reason = f"all {rows:,} customers look the same"
    else:
        reason = (
            f"{rows:,} customers with {distinct:,} different profiles are too few "
            f"for {k_min} groups"
        )
    return f"Everyone is in one group: {reason}."


# the long table


def _fit_one(raw: Matrix, specs: Sequence[Feature], ks: Sequence[int], seed: int) -> list[_Row]:
    if len(raw) == 0:
        return _none_rows(0, 0, min(ks))
    scaler = fit_scaler(raw, specs)
    matrix = scale(raw, scaler)
    candidates = score_candidates(matrix, ks, seed)
    chosen = choose_candidate(candidates)
    if chosen is None:
        return _none_rows(len(raw), count_distinct(matrix), min(ks))
    chosen = order_clusters(chosen, _ordering_position(specs))
    verdict = judge(chosen.silhouette)
    why = explain(chosen, [c.k for c in candidates], verdict)
    return [
        _Row("model", len(raw), "kmeans", chosen.k),
        _Row("verdict", name=verdict),
        _Row("why", name=why),
        *_cluster_rows(raw, chosen, specs),
        *_candidate_rows(candidates, chosen.k),
        *_scaler_rows(scaler, specs),
    ]


def _ordering_position(specs: Sequence[Feature]) -> int:
    marked = [i for i, spec in enumerate(specs) if spec.orders_clusters]
    monetary = [i for i, spec in enumerate(specs) if spec.name == "monetary"]
    return [*marked, *monetary, 0][0]


def _none_rows(rows: int, distinct: int, k_min: int) -> list[_Row]:
    return [
        _Row("model", rows, "none", 1),
        _Row("verdict", name="none"),
        _Row("why", name=explain_none(rows, distinct, k_min)),
        _Row("cluster", rows, "everyone", 1),
    ]


def _cluster_rows(raw: Matrix, chosen: Candidate, specs: Sequence[Feature]) -> list[_Row]:
    names = name_clusters(chosen.centroids, specs)
    rows = []
    for i, (name, centroid) in enumerate(zip(names, chosen.centroids, strict=True)):
        members = raw[chosen.labels == i]
        rows.append(_Row("cluster", len(members), name, i + 1))
        for spec, scaled, mean in zip(specs, centroid, members.mean(axis=0), strict=True):
            rows.append(_Row("centroid", scaled, None, i + 1, spec.name))
            rows.append(_Row("centroid_raw", mean, None, i + 1, spec.name))
    return rows


def _candidate_rows(candidates: Sequence[Candidate], chosen_k: int) -> list[_Row]:
    return [
        _Row("candidate", value, name, c.k)
        for c in candidates
        for name, value in {
            "inertia": c.inertia,
            "silhouette": c.silhouette,
            "davies_bouldin": c.davies_bouldin,
            "calinski_harabasz": c.calinski_harabasz,
            "smallest_share": c.smallest_share,
            "chosen": float(c.k == chosen_k),
        }.items()
    ]


def _scaler_rows(scaler: Scaler, specs: Sequence[Feature]) -> list[_Row]:
    return [
        _Row("scaler", float(value), name, None, spec.name)
        for name in Scaler.__dataclass_fields__
        for spec, value in zip(specs, getattr(scaler, name), strict=True)
    ]


def _sorted_rows(rows: Iterable[_Row]) -> list[_Row]:
    tidied = [row if row.value is None else replace(row, value=_tidy(row.value)) for row in rows]
    return sorted(tidied, key=lambda r: (r.part, r.number or 0, r.feature or "", r.name or ""))


def _tidy(value: float) -> float:
    """12 significant digits: the last bits differ from machine to machine."""
    return float(f"{value:.12g}") if math.isfinite(value) else value
