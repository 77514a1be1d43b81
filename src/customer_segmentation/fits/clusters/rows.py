"""A fit as rows of the long table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.clusters.candidates import LINKAGES, Candidate
from customer_segmentation.fits.clusters.labels import lineage
from customer_segmentation.fits.clusters.maps import dendrogram, map_rows
from customer_segmentation.fits.clusters.model import (
    EVERYONE,
    OUTLIER,
    Model,
    Sample,
    Settings,
    Space,
    fit_space,
)
from customer_segmentation.fits.clusters.personas import Persona
from customer_segmentation.fits.features import Feature
from customer_segmentation.fits.long_table import Row
from customer_segmentation.fits.scaling import Scaler

_INDICES = (
    "inertia",
    "silhouette",
    "simulated_silhouette",
    "simulated_silhouette_sd",
    "davies_bouldin",
    "calinski_harabasz",
    "dunn",
    "gap",
    "gap_error",
    "is_elbow",
    "stability",
    "smallest_share",
    "noise_share",
)
_MODEL_INDICES = (
    "silhouette",
    "simulated_silhouette",
    "simulated_silhouette_sd",
    "davies_bouldin",
    "calinski_harabasz",
    "stability",
    "smallest_share",
)


def key_name(key: int) -> str:
    return {EVERYONE: "everyone", OUTLIER: "outlier"}.get(key, f"c{key:02d}")


def space_rows(space: Space, specs: Sequence[Feature]) -> list[Row]:
    rows = [
        Row("scaler", float(value), name, None, spec.name)
        for name in Scaler.__dataclass_fields__
        for spec, value in zip(specs, getattr(space.scaler, name), strict=True)
    ]
    if space.rotation is not None:
        for spec, loadings in zip(specs, space.rotation.loadings, strict=True):
            rows += [
                Row("loading", float(value), None, i, spec.name)
                for i, value in enumerate(loadings, start=1)
            ]
        rows += [
            Row("scree", float(share), None, i)
            for i, share in enumerate(space.rotation.scree, start=1)
        ]
    return rows


def cluster_rows(
    model: Model,
    described: Sequence[Persona],
    labels: Labels,
    raw: Matrix,
    scaled: Matrix,
    specs: Sequence[Feature],
) -> list[Row]:
    assert model.space is not None
    coordinates = model.centroids
    dimensions = [spec.name for spec in specs]
    if model.space.rotation is not None:
        # SQL multiplies by the loadings without subtracting the centre first.
        coordinates = coordinates + model.space.rotation.centre @ model.space.rotation.loadings
        dimensions = [f"pc{i + 1}" for i in range(coordinates.shape[1])]
    rows = []
    for i, (key, persona) in enumerate(zip(model.keys, described, strict=True)):
        own = labels == i
        rows += [
            Row("key", None, key_name(key), i + 1),
            Row("cluster", int(own.sum()), persona.name.text, i + 1),
            Row("card", None, persona.card, i + 1),
            *(Row("trait", rank, key, i + 1) for rank, key in enumerate(persona.traits, start=1)),
            Row("limit", float(model.limits[i]), None, i + 1),
        ]
        for dimension, value in zip(dimensions, coordinates[i], strict=True):
            rows.append(Row("coordinate", value, None, i + 1, dimension))
        means = scaled[own].mean(axis=0), raw[own].mean(axis=0)
        for spec, mean, raw_mean in zip(specs, *means, strict=True):
            # Rounded, so that the mean of a constant feature is 0 and not its last bits.
            rows.append(Row("centroid", round(mean, 12), None, i + 1, spec.name))
            rows.append(Row("centroid_raw", raw_mean, None, i + 1, spec.name))
    return rows


def candidate_rows(candidates: Sequence[Candidate], chosen: Candidate | None) -> list[Row]:
    return [
        Row("candidate", value, name, candidate.k, candidate.algorithm)
        for candidate in candidates
        for name, value in [
            *((name, getattr(candidate, name)) for name in _INDICES),
            ("chosen", float(candidate is chosen)),
        ]
        if value is not None
    ]


def metric_rows(of: Candidate) -> list[Row]:
    """The indices that a model in force has after a selection and after a refit."""
    values = {name: getattr(of, name) for name in _MODEL_INDICES}
    return [Row("metric", value, name) for name, value in values.items() if value is not None]


def flow_rows(before: Sample, now: Sample, old: Model, new: Model) -> list[Row]:
    """Customers relabelled (same data) and moved (same model) between each two clusters.

    Both clusters have their names, so a match with two names is a cluster that was renamed.
    """
    if len(now.raw) == 0:
        return []
    shared, at_before, at_now = np.intersect1d(before.keys, now.keys, return_indices=True)
    by_old, by_new = old.keys_of(now.raw), new.keys_of(now.raw)
    grouped = (by_old != OUTLIER) & (by_new != OUTLIER)
    kinds = {(f.old_key, f.new_key): f.kind for f in lineage(by_old[grouped], by_new[grouped])}
    relabelled = _count_pairs(by_old, by_new)
    moved = _count_pairs(old.keys_of(before.raw[at_before]), by_old[at_now]) if len(shared) else {}
    names_before = _names_of(old)
    # Customers may have moved to a cluster that has ended.
    names_now = {**names_before, **_names_of(new)}
    rows = []
    for i, (one, other) in enumerate(sorted(relabelled.keys() | moved.keys()), start=1):
        kind = kinds.get((one, other), "match" if one == other else "spill")
        rows += [
            Row("flow", None, key_name(one), i, "from"),
            Row("flow", None, key_name(other), i, "to"),
            Row("flow", None, kind, i, "kind"),
            Row("flow", None, names_before[one], i, "name_before"),
            Row("flow", None, names_now[other], i, "name_now"),
            Row("flow", relabelled.get((one, other), 0), None, i, "relabelled"),
            Row("flow", moved.get((one, other), 0), None, i, "moved"),
        ]
    return rows


def _names_of(model: Model) -> dict[int, str]:
    own = {key: name.text for key, name in zip(model.keys, model.names, strict=True)}
    return {EVERYONE: "Everyone", OUTLIER: "Outliers", **own}


def _count_pairs(one: Labels, other: Labels) -> dict[tuple[int, int], int]:
    pairs, counts = np.unique(np.column_stack([one, other]), axis=0, return_counts=True)
    return {(int(a), int(b)): int(n) for (a, b), n in zip(pairs, counts, strict=True)}


def picture_rows(now: Sample, model: Model, settings: Settings) -> list[Row]:
    if len(now.raw) == 0:
        return []
    space = model.space or fit_space(now.raw, settings)
    matrix = space.place(now.raw)
    drawn, plane, neighbours = map_rows(matrix, settings.seed)
    keys = model.keys_of(now.raw)
    rows = []
    for i, at, near in zip(drawn, plane, neighbours, strict=True):
        axes = {"pca_1": at[0], "pca_2": at[1], "tsne_1": near[0], "tsne_2": near[1]}
        rows += [
            Row("map", float(value), key_name(int(keys[i])), int(now.keys[i]), axis)
            for axis, value in axes.items()
        ]
    for linkage in LINKAGES:
        for branch in dendrogram(matrix, linkage, settings.seed):
            rows += [
                Row("dendrogram", float(getattr(branch, name)), linkage, branch.node, name)
                for name in ("left", "right", "height", "rows")
            ]
    return rows
