"""The fits of all dates as one long table: part, name, number, feature, value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_segmentation.clusters import indices
from customer_segmentation.clusters.base import Labels, Matrix, count_distinct, load_fitters, tidy
from customer_segmentation.clusters.candidates import (
    LINKAGES,
    Candidate,
    draw_rows,
    measure,
    screen,
)
from customer_segmentation.clusters.choice import (
    choose,
    explain_none,
    explain_refit,
    verdict_of,
    why_not,
)
from customer_segmentation.clusters.features import (
    Feature,
    encoded,
    ordering_position,
    read_features,
    usable_rows,
)
from customer_segmentation.clusters.labels import lineage, match_keys
from customer_segmentation.clusters.maps import dendrogram, map_rows
from customer_segmentation.clusters.personas import Persona, personas, profile
from customer_segmentation.clusters.prepare import (
    Rotation,
    Scaler,
    fit_rotation,
    fit_scaler,
    rotate,
    scale,
)
from customer_segmentation.clusters.update import (
    assign,
    is_outlier,
    move_centroids,
    outlier_distances,
    refit,
    update_centroids,
)

if TYPE_CHECKING:
    import pandas as pd

EVERYONE, OUTLIER = 0, -1  # keys of customers who are in no cluster of their own

_DTYPES = {
    "as_of": "date32[day][pyarrow]",
    "part": "str",
    "name": "str",
    "number": "Int64",
    "feature": "str",
    "value": "float64",
}
_INDICES = (
    "inertia",
    "silhouette",
    "simulated_silhouette",
    "davies_bouldin",
    "calinski_harabasz",
    "dunn",
    "gap",
    "gap_error",
    "is_elbow",
    "stability",
    "smallest_share",
    "noise_share",
    "seconds",
)


_MODEL_INDICES = (
    "silhouette",
    "simulated_silhouette",
    "davies_bouldin",
    "calinski_harabasz",
    "stability",
    "smallest_share",
)


@dataclass(frozen=True)
class _Row:
    part: str
    value: float | None = None
    name: str | None = None
    number: int | None = None
    feature: str | None = None


@dataclass(frozen=True)
class _Space:
    """How raw rows become coordinates: scaled features, or components of them."""

    scaler: Scaler
    rotation: Rotation | None

    def place(self, raw: Matrix) -> Matrix:
        scaled = scale(raw, self.scaler)
        return scaled if self.rotation is None else rotate(scaled, self.rotation)


@dataclass(frozen=True)
class _Model:
    """What was put in force at a date; without keys everyone is one group.

    keys: of the clusters, rising. centroids: shape (k, dimensions), limits: shape (k,), both in
    their order. chosen_on: the date of the selection. members: rows of the fit in each cluster.
    """

    algorithm: str
    chosen_on: str
    keys: tuple[int, ...] = ()
    space: _Space | None = None
    centroids: Matrix = field(default_factory=lambda: np.empty((0, 0)))
    limits: Matrix = field(default_factory=lambda: np.empty(0))
    names: tuple[str, ...] = ()
    members: tuple[int, ...] = ()

    def keys_of(self, raw: Matrix) -> Labels:
        """The key of each row's cluster, shape (rows,), OUTLIER for none, or EVERYONE."""
        if self.space is None or len(raw) == 0:
            return np.full(len(raw), EVERYONE, dtype=np.int64)
        nearest, distances = assign(self.space.place(raw), self.centroids)
        far = is_outlier(distances, self.limits)
        return np.where(far, OUTLIER, np.array(self.keys)[nearest]).astype(np.int64)


@dataclass(frozen=True)
class _Sample:
    as_of: str
    keys: Labels
    raw: Matrix


@dataclass(frozen=True)
class _Settings:
    specs: tuple[Feature, ...]
    k_min: int
    k_max: int
    seed: int
    pca: bool
    noun: str


def fit_clusters(
    sample: pd.DataFrame,
    *,
    features: Sequence[dict[str, Any]],
    k_min: int,
    k_max: int,
    seed: int,
    pca: bool = False,
    noun: str = "buyers",
) -> pd.DataFrame:
    """The models of all refit dates, each from the one before it, in order of date.

    At the first date and where `kind` is selection all candidates are screened and one is chosen,
    or none. At the other dates algorithm and k stay and a verdict of none stays as well. A refit
    starts from the centroids in force; an update moves them by the rows of its date and keeps
    their scales. Clusters that continue one before keep key and name.

    sample: one row per as_of and customer: as_of (date), customer_key (integer, unique within a
    date), kind (selection, refit or update, one value a date) and one numeric column per encoded
    feature (see `features.encoded`). Rows where a feature is missing, infinite or beyond 1e100 are
    dropped. Row order never matters.
    features: dicts with the fields of `Feature`; only `name` is required. recency_days, frequency
    and monetary bring their words. If no feature is marked to order the first clusters, monetary
    does, without it the first.
    k_min, k_max: the numbers of clusters to choose from, both included; from 2 on all are screened.
    pca: measure distances on the components that hold more than 90 % of the variance.
    noun: what customers are in the names of clusters, where no feature has a noun of its own.

    Returns the columns as_of, part, name, number, feature, value; values have 12 significant
    digits. `number` is the position of a cluster within its model, in order of key. Parts:
    model         name is the algorithm, number k, value rows used; or name none, number 1
    verdict, why  name: good, fair, weak or none; a sentence
    metric        name of the index, value: of the model
    key           number, name: c01, c02 ..; `everyone` for none
    cluster       number, name for people, value members in the sample
    card, trait   number, name: a paragraph; what sets the cluster apart, such as "monetary high"
    limit         number, value: the distance from which a customer does not belong to it
    scaler        name of the parameter (see `Scaler`), feature, value
    loading       number of the component, feature, value; with pca only, as is
    scree         number of the component, value: share of the variance
    coordinate    number, feature (with pca pc1, pc2 ..), value: where distances are measured to
    centroid      number, feature, value: mean of the members in scaled units
    centroid_raw  number, feature, value: mean of the members in the feature's own unit, uncapped
    candidate     feature is the algorithm, number k, name of the index, value; `chosen` is 0 or 1
    candidate_verdict, candidate_why  likewise, name: a verdict; a sentence; not of the chosen one
    flow          number, feature: from, to, kind (name) or relabelled, moved (value, customers)
    map           number is the customer_key, name the cluster's key, feature the axis, value
    dendrogram    name is the linkage, number the node, feature left, right, height or rows, value
    The last two are of the newest date only.

    Raises ValueError for a wrong feature specification, a missing column or an empty range of k.
    No data makes it raise or warn: where nothing can be grouped the verdict is none and says why.
    """
    import pandas as pd

    if not 2 <= k_min <= k_max:
        raise ValueError(f"k_min is {k_min} and k_max {k_max}; expected 2 <= k_min <= k_max")
    specs = encoded(read_features(features))
    needed = {"as_of", "customer_key", "kind", *(spec.name for spec in specs)}
    missing = needed - set(sample.columns)
    if missing:
        raise ValueError(f"columns missing from the sample: {', '.join(sorted(missing))}")
    settings = _Settings(specs, k_min, k_max, seed, pca, noun)
    days = pd.to_datetime(sample["as_of"])
    dates = sorted(days.dropna().unique())
    records: list[tuple[Any, ...]] = []
    model, before = None, None
    used: set[int] = set()
    for as_of in dates:
        rows = sample[days == as_of]
        now = _Sample(str(as_of.date()), *usable_rows(rows, specs))
        kind = str(rows["kind"].iloc[0])
        if model is None or kind == "selection":
            fitted, found = _select(now, settings, model, used)
        else:
            fitted, found = _refit(now, settings, model, used, is_update=kind == "update")
        if model is not None and before is not None:
            found += _flow_rows(before, now, model, fitted)
        if as_of == dates[-1]:
            found += _picture_rows(now, fitted, settings)
        records += [
            (as_of.date(), r.part, r.name, r.number, r.feature, r.value)
            for r in _sorted_rows(found)
        ]
        model, before = fitted, now
        used.update(fitted.keys)
    columns = zip(*records, strict=True) if records else [[]] * len(_DTYPES)
    # Typed column by column: a float on the way would round the customer keys.
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=dtype)
            for (name, dtype), column in zip(_DTYPES.items(), columns, strict=True)
        }
    )


def _select(
    now: _Sample, settings: _Settings, before: _Model | None, used: set[int]
) -> tuple[_Model, list[_Row]]:
    """Screen all candidates, put the chosen one in force."""
    if len(now.raw) == 0:
        return _without(now, now.as_of, explain_none(0, 0, settings.k_min))
    space = _space_of(now.raw, settings)
    matrix = space.place(now.raw)
    screening = screen(matrix, settings.k_max, settings.seed)
    choice = choose(screening, k_min=settings.k_min, k_max=settings.k_max)
    chosen = choice.candidate
    rows = _candidate_rows(screening.candidates, chosen)
    for candidate in screening.candidates:
        if candidate is not chosen:
            words = why_not(candidate, choice, k_min=settings.k_min, k_max=settings.k_max)
            for part, name in {"verdict": verdict_of(candidate), "why": words}.items():
                rows.append(_Row(f"candidate_{part}", None, name, candidate.k, candidate.algorithm))
    if chosen is None:
        model, found = _without(now, now.as_of, choice.why)
        return model, found + rows
    _, centroids = refit(matrix, chosen.centroids)
    base = _Model(chosen.algorithm, now.as_of)
    model, found = _in_force(now, settings, space, centroids, base, before, used)
    if not model.keys:
        return model, found + rows
    told = [_Row("verdict", name=choice.verdict), _Row("why", name=choice.why)]
    return model, found + rows + told + _metric_rows(chosen)


def _refit(
    now: _Sample, settings: _Settings, before: _Model, used: set[int], is_update: bool
) -> tuple[_Model, list[_Row]]:
    """Keep algorithm and k, start from the centroids in force; an update keeps their space too."""
    if before.space is None:
        return _without(
            now,
            before.chosen_on,
            f"Everyone is in one group: none were found on {before.chosen_on}, and until the "
            "next selection a refit keeps that.",
        )
    k = len(before.keys)
    if len(now.raw) == 0:
        return _without(now, before.chosen_on, explain_none(0, 0, k))
    space = before.space if is_update else _space_of(now.raw, settings)
    matrix = space.place(now.raw)
    distinct = count_distinct(matrix)
    if distinct < k or len(matrix) <= k:
        return _without(now, before.chosen_on, explain_none(len(matrix), distinct, k))
    started = perf_counter()
    if is_update:
        centroids = update_centroids(matrix, before.centroids, before.members)
    else:
        _, centroids = refit(matrix, _moved(before, space))
    base = _Model(before.algorithm, before.chosen_on)
    model, found = _in_force(now, settings, space, centroids, base, before, used)
    if not model.keys:
        return model, found
    measured = _measured(matrix, centroids, started, settings.seed)
    verdict = verdict_of(measured)
    why = explain_refit(measured, len(matrix), before.chosen_on, verdict, is_update=is_update)
    told = [_Row("verdict", name=verdict), _Row("why", name=why)]
    return model, found + told + _metric_rows(measured)


def _space_of(raw: Matrix, settings: _Settings) -> _Space:
    scaler = fit_scaler(raw, settings.specs)
    return _Space(scaler, fit_rotation(scale(raw, scaler)) if settings.pca else None)


def _moved(before: _Model, space: _Space) -> Matrix:
    """The centroids in force, in the space of another date; none without clusters."""
    if before.space is None:
        return np.empty((0, 0))
    return move_centroids(
        before.centroids,
        before.space.scaler,
        space.scaler,
        before.space.rotation,
        space.rotation,
    )


def _measured(matrix: Matrix, centroids: Matrix, started: float, seed: int) -> Candidate:
    """The indices of a refit, on as many rows as are screened."""
    from threadpoolctl import threadpool_limits

    load_fitters()
    drawn = matrix[draw_rows(len(matrix), seed)]
    k = len(centroids)
    with threadpool_limits(1):
        labels, _ = assign(drawn, centroids)
        # Of a drawn sample a small cluster may be gone; then the others are measured.
        _, labels = np.unique(labels, return_inverse=True)
        found = measure(drawn, labels.astype(np.int64), "kmeans", started)
        simulated = indices.simulated_silhouettes(drawn, [k], seed=seed)
    return replace(found, k=k, simulated_silhouette=simulated.get(k))


def _in_force(
    now: _Sample,
    settings: _Settings,
    space: _Space,
    centroids: Matrix,
    base: _Model,
    before: _Model | None,
    used: set[int],
) -> tuple[_Model, list[_Row]]:
    """The model of given centroids, with keys, names, limits and all that is told of it."""
    specs = settings.specs
    matrix, scaled = space.place(now.raw), scale(now.raw, space.scaler)
    labels, _ = assign(matrix, centroids)
    k = len(centroids)
    if len(np.unique(labels)) < k:
        distinct = count_distinct(matrix)
        return _without(now, base.chosen_on, explain_none(len(matrix), distinct, k))
    means = np.array([scaled[labels == i].mean(axis=0) for i in range(k)])
    centroids = centroids[_descending(means, ordering_position(specs))]
    old = _moved(before, space) if before is not None else np.empty((0, 0))
    old_keys = before.keys if before is not None else ()
    keys = match_keys(centroids, old, old_keys, used)
    order = np.argsort(keys)
    keys, centroids = sorted(keys), centroids[order]

    labels, distances = assign(matrix, centroids)
    limits = outlier_distances(labels, distances)
    labels = np.where(is_outlier(distances, limits), -1, labels).astype(np.int64)
    value = next((i for i, spec in enumerate(specs) if spec.name == "monetary"), None)
    names_before = dict(zip(before.keys, before.names, strict=True)) if before is not None else {}
    told = personas(
        profile(now.raw, scaled, labels, k, value),
        specs,
        customers=len(now.raw),
        value=value,
        noun=settings.noun,
        kept_names=[names_before.get(key) for key in keys] if names_before else None,
    )
    model = replace(
        base,
        keys=tuple(keys),
        space=space,
        centroids=centroids,
        limits=limits,
        names=tuple(persona.name for persona in told),
        members=tuple(int((labels == i).sum()) for i in range(k)),
    )
    rows = [
        _Row("model", len(now.raw), model.algorithm, k),
        *_space_rows(space, specs),
        *_cluster_rows(model, told, labels, now.raw, scaled, specs),
    ]
    return model, rows


def _descending(means: Matrix, first: int) -> Labels:
    """Positions by the mean in column `first`, then by the other columns, all descending."""
    rounded = np.round(means, 12)
    columns = [first, *(i for i in range(rounded.shape[1]) if i != first)]
    order: Labels = np.lexsort([-rounded[:, i] for i in reversed(columns)])
    return order


def _without(now: _Sample, chosen_on: str, why: str) -> tuple[_Model, list[_Row]]:
    rows = len(now.raw)
    return _Model("none", chosen_on), [
        _Row("model", rows, "none", 1),
        _Row("verdict", name="none"),
        _Row("why", name=why),
        _Row("key", None, _key_name(EVERYONE), 1),
        _Row("cluster", rows, "Everyone", 1),
    ]


def _key_name(key: int) -> str:
    return {EVERYONE: "everyone", OUTLIER: "outlier"}.get(key, f"c{key:02d}")


def _space_rows(space: _Space, specs: Sequence[Feature]) -> list[_Row]:
    rows = [
        _Row("scaler", float(value), name, None, spec.name)
        for name in Scaler.__dataclass_fields__
        for spec, value in zip(specs, getattr(space.scaler, name), strict=True)
    ]
    if space.rotation is not None:
        for spec, loadings in zip(specs, space.rotation.loadings, strict=True):
            rows += [
                _Row("loading", float(value), None, i, spec.name)
                for i, value in enumerate(loadings, start=1)
            ]
        rows += [
            _Row("scree", float(share), None, i)
            for i, share in enumerate(space.rotation.scree, start=1)
        ]
    return rows


def _cluster_rows(
    model: _Model,
    told: Sequence[Persona],
    labels: Labels,
    raw: Matrix,
    scaled: Matrix,
    specs: Sequence[Feature],
) -> list[_Row]:
    assert model.space is not None
    coordinates = model.centroids
    dimensions = [spec.name for spec in specs]
    if model.space.rotation is not None:
        # SQL multiplies by the loadings without subtracting the centre first.
        coordinates = coordinates + model.space.rotation.centre @ model.space.rotation.loadings
        dimensions = [f"pc{i + 1}" for i in range(coordinates.shape[1])]
    rows = []
    for i, (key, persona) in enumerate(zip(model.keys, told, strict=True)):
        own = labels == i
        rows += [
            _Row("key", None, _key_name(key), i + 1),
            _Row("cluster", int(own.sum()), persona.name, i + 1),
            _Row("card", None, persona.card, i + 1),
            _Row("trait", None, persona.trait, i + 1),
            _Row("limit", float(model.limits[i]), None, i + 1),
        ]
        for dimension, value in zip(dimensions, coordinates[i], strict=True):
            rows.append(_Row("coordinate", value, None, i + 1, dimension))
        means = scaled[own].mean(axis=0), raw[own].mean(axis=0)
        for spec, mean, raw_mean in zip(specs, *means, strict=True):
            # Rounded, so that the mean of a constant feature is 0 and not its last bits.
            rows.append(_Row("centroid", round(mean, 12), None, i + 1, spec.name))
            rows.append(_Row("centroid_raw", raw_mean, None, i + 1, spec.name))
    return rows


def _candidate_rows(candidates: Sequence[Candidate], chosen: Candidate | None) -> list[_Row]:
    return [
        _Row("candidate", value, name, candidate.k, candidate.algorithm)
        for candidate in candidates
        for name, value in [
            *((name, getattr(candidate, name)) for name in _INDICES),
            ("chosen", float(candidate is chosen)),
        ]
        if value is not None
    ]


def _metric_rows(of: Candidate) -> list[_Row]:
    """The indices that a model in force has after a selection and after a refit."""
    values = {name: getattr(of, name) for name in _MODEL_INDICES}
    return [_Row("metric", value, name) for name, value in values.items() if value is not None]


def _flow_rows(before: _Sample, now: _Sample, old: _Model, new: _Model) -> list[_Row]:
    """Between each two clusters: who was relabelled (same data) and who moved (same model)."""
    if len(now.raw) == 0:
        return []
    shared, at_before, at_now = np.intersect1d(before.keys, now.keys, return_indices=True)
    by_old, by_new = old.keys_of(now.raw), new.keys_of(now.raw)
    grouped = (by_old != OUTLIER) & (by_new != OUTLIER)
    kinds = {(f.old_key, f.new_key): f.kind for f in lineage(by_old[grouped], by_new[grouped])}
    relabelled = _count_pairs(by_old, by_new)
    moved = _count_pairs(old.keys_of(before.raw[at_before]), by_old[at_now]) if len(shared) else {}
    rows = []
    for i, (one, other) in enumerate(sorted(relabelled.keys() | moved.keys()), start=1):
        kind = kinds.get((one, other), "match" if one == other else "spill")
        rows += [
            _Row("flow", None, _key_name(one), i, "from"),
            _Row("flow", None, _key_name(other), i, "to"),
            _Row("flow", None, kind, i, "kind"),
            _Row("flow", relabelled.get((one, other), 0), None, i, "relabelled"),
            _Row("flow", moved.get((one, other), 0), None, i, "moved"),
        ]
    return rows


def _count_pairs(one: Labels, other: Labels) -> dict[tuple[int, int], int]:
    pairs, counts = np.unique(np.column_stack([one, other]), axis=0, return_counts=True)
    return {(int(a), int(b)): int(n) for (a, b), n in zip(pairs, counts, strict=True)}


def _picture_rows(now: _Sample, model: _Model, settings: _Settings) -> list[_Row]:
    if len(now.raw) == 0:
        return []
    space = model.space or _space_of(now.raw, settings)
    matrix = space.place(now.raw)
    drawn, plane, neighbours = map_rows(matrix, settings.seed)
    keys = model.keys_of(now.raw)
    rows = []
    for i, at, near in zip(drawn, plane, neighbours, strict=True):
        axes = {"pca_1": at[0], "pca_2": at[1], "tsne_1": near[0], "tsne_2": near[1]}
        rows += [
            _Row("map", float(value), _key_name(int(keys[i])), int(now.keys[i]), axis)
            for axis, value in axes.items()
        ]
    for linkage in LINKAGES:
        for branch in dendrogram(matrix, linkage, settings.seed):
            rows += [
                _Row("dendrogram", float(getattr(branch, name)), linkage, branch.node, name)
                for name in ("left", "right", "height", "rows")
            ]
    return rows


def _sorted_rows(rows: Iterable[_Row]) -> list[_Row]:
    tidied = [row if row.value is None else replace(row, value=tidy(row.value)) for row in rows]
    return sorted(tidied, key=lambda r: (r.part, r.number or 0, r.feature or "", r.name or ""))
