"""The fit as one long table: part, name, number, feature, value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from customer_segmentation.clusters.base import Matrix, count_distinct, tidy
from customer_segmentation.clusters.candidates import Candidate, order_clusters, score_candidates
from customer_segmentation.clusters.choice import choose_candidate, explain, explain_none, judge
from customer_segmentation.clusters.features import (
    Feature,
    ordering_position,
    read_features,
    usable_rows,
)
from customer_segmentation.clusters.names import name_clusters
from customer_segmentation.clusters.prepare import Scaler, fit_scaler, scale

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {
    "as_of": "date32[day][pyarrow]",
    "part": "str",
    "name": "str",
    "number": "Int64",
    "feature": "str",
    "value": "float64",
}


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
    import pandas as pd

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


def _fit_one(raw: Matrix, specs: Sequence[Feature], ks: Sequence[int], seed: int) -> list[_Row]:
    if len(raw) == 0:
        return _none_rows(0, 0, min(ks))
    scaler = fit_scaler(raw, specs)
    matrix = scale(raw, scaler)
    candidates = score_candidates(matrix, ks, seed)
    chosen = choose_candidate(candidates)
    if chosen is None:
        return _none_rows(len(raw), count_distinct(matrix), min(ks))
    chosen = order_clusters(chosen, ordering_position(specs))
    verdict = judge(chosen.silhouette or 0.0)
    why = explain(chosen, [c.k for c in candidates], verdict)
    return [
        _Row("model", len(raw), "kmeans", chosen.k),
        _Row("verdict", name=verdict),
        _Row("why", name=why),
        *_cluster_rows(raw, chosen, specs),
        *_candidate_rows(candidates, chosen.k),
        *_scaler_rows(scaler, specs),
    ]


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
    tidied = [row if row.value is None else replace(row, value=tidy(row.value)) for row in rows]
    return sorted(tidied, key=lambda r: (r.part, r.number or 0, r.feature or "", r.name or ""))
