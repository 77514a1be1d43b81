"""The fits of all dates as one long table: part, name, number, feature, value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_segmentation.fits.base import Labels, Matrix, draw_rows, load_fitters
from customer_segmentation.fits.clusters import indices
from customer_segmentation.fits.clusters.base import count_distinct
from customer_segmentation.fits.clusters.candidates import (
    SCREENED_ROWS,
    Candidate,
    measure,
    screen,
    with_reference,
)
from customer_segmentation.fits.clusters.choice import (
    choose,
    explain_none,
    explain_refit,
    verdict_of,
    why_not,
)
from customer_segmentation.fits.clusters.labels import match_keys
from customer_segmentation.fits.clusters.model import (
    EVERYONE,
    Model,
    Sample,
    Settings,
    Space,
    fit_space,
    ordering_position,
    usable_rows,
)
from customer_segmentation.fits.clusters.personas import personas, profile
from customer_segmentation.fits.clusters.rows import (
    candidate_rows,
    cluster_rows,
    flow_rows,
    key_name,
    metric_rows,
    picture_rows,
    space_rows,
)
from customer_segmentation.fits.clusters.update import (
    assign,
    is_outlier,
    move_centroids,
    outlier_distances,
    refit,
    update_centroids,
)
from customer_segmentation.fits.features import encoded, read_features
from customer_segmentation.fits.long_table import Row, long_table
from customer_segmentation.fits.scaling import scale

if TYPE_CHECKING:
    import pandas as pd


def fit_clusters(
    sample: pd.DataFrame,
    *,
    features: Sequence[dict[str, Any]],
    k_min: int,
    k_max: int,
    seed: int,
    pca: bool = False,
    noun: str = "buyers",
    reselect_models: str = "year",
) -> pd.DataFrame:
    """The models of all refit dates, each from the one before it, in order of date.

    At the first date, where `kind` is selection and at refits once the customers have doubled since
    the last choice, all candidates are screened and one or none is chosen. At the other dates
    algorithm, k and a verdict of none stay. A refit starts from the centroids in force; an update
    moves them by the rows of its date and keeps their scales. Clusters that continue an earlier one
    keep its key, and the words of its name that still hold.

    sample: one row per as_of and customer: as_of (date), customer_key (integer, unique within a
    date), kind (selection, refit or update) and customers (all that the rows were drawn from), each
    with one value a date, and one numeric column per encoded feature (see `features.encoded`). Rows
    where a feature is missing, infinite or beyond 1e100 are dropped. Row order never matters.
    features: dicts with the fields of `Feature`; only `name` is required. recency_days, frequency
    and monetary have default words. If no feature is marked to order the first clusters, monetary
    does, or else the first feature.
    k_min, k_max: the numbers of clusters to choose from, inclusive; from 2 up all are screened.
    pca: measure distances on the components that hold more than 90% of the variance.
    noun: the noun in cluster names, unless a feature has its own.
    reselect_models: never, if more customers are no reason to choose again.

    Returns the columns as_of, part, name, number, feature, value; values have 12 significant
    digits. `number` is the position of a cluster within its model, in order of key. Parts:
    model         name is the algorithm, number k, value rows used; or name none, number 1
    selected      name: the date of the choice of algorithm and k
    verdict, why  name: good, fair, weak or none; a sentence
    metric        name of the index, value: of the model
    key           number, name: c01, c02 ..; `everyone` for none
    cluster       number, name for people, value members in the sample
    card          number, name: a paragraph
    trait         number, name: key for an action, such as "monetary high", value: its rank from 1
    limit         number, value: the distance beyond which a customer is an outlier
    scaler        name of the parameter (see `Scaler`), feature, value
    loading       number of the component, feature, value; with pca only, as is
    scree         number of the component, value: share of the variance
    coordinate    number, feature (with pca pc1, pc2 ..), value: where distances are measured to
    centroid      number, feature, value: mean of the members in scaled units
    centroid_raw  number, feature, value: mean of the members in the feature's own unit, uncapped
    candidate     feature is the algorithm, number k, name of the index, value; `chosen` is 0 or 1
    candidate_verdict, candidate_why  likewise, name: a verdict; a sentence; not of the chosen one
    flow          number, feature: from, to, kind, name_before, name_now (name) or relabelled, moved
                  (value, customers)
    map           number is the customer_key, name the cluster's key, feature the axis, value
    dendrogram    name is the linkage, number the node, feature left, right, height or rows, value
    The last two are of the newest date only.

    Raises ValueError for a wrong feature specification, a missing column or an empty range of k.
    No data makes it raise or warn: without clusters the verdict is none, with the reason.
    """
    import pandas as pd

    if not 2 <= k_min <= k_max:
        raise ValueError(f"k_min is {k_min} and k_max {k_max}; expected 2 <= k_min <= k_max")
    specs = encoded(read_features(features))
    needed = {"as_of", "customer_key", "customers", "kind", *(spec.name for spec in specs)}
    missing = needed - set(sample.columns)
    if missing:
        raise ValueError(f"columns missing from the sample: {', '.join(sorted(missing))}")
    settings = Settings(specs, k_min, k_max, seed, pca, noun)
    days = pd.to_datetime(sample["as_of"])
    dates = sorted(days.dropna().unique())
    fits: dict[dt.date, list[Row]] = {}
    model, before = None, None
    used: set[int] = set()
    for as_of in dates:
        rows = sample[days == as_of]
        customers = int(rows["customers"].iloc[0])
        now = Sample(str(as_of.date()), customers, *usable_rows(rows, specs))
        kind = str(rows["kind"].iloc[0])
        may_choose = kind == "refit" and reselect_models != "never"
        if (
            model is None
            or kind == "selection"
            or (may_choose and customers >= 2 * model.chosen_among)
        ):
            fitted, found = _select(now, settings, model, used)
        else:
            fitted, found = _refit(now, settings, model, used, is_update=kind == "update")
        if model is not None and before is not None:
            found += flow_rows(before, now, model, fitted)
        if as_of == dates[-1]:
            found += picture_rows(now, fitted, settings)
        fits[as_of.date()] = found
        model, before = fitted, now
        used.update(fitted.keys)
    return long_table(fits)


def _select(
    now: Sample, settings: Settings, before: Model | None, used: set[int]
) -> tuple[Model, list[Row]]:
    """Screen all candidates, put the chosen one in force."""
    if len(now.raw) == 0:
        return _without(now, None, explain_none(0, 0, settings.k_min))
    space = fit_space(now.raw, settings)
    matrix = space.place(now.raw)
    screening = screen(matrix, settings.k_max, settings.seed)
    choice = choose(screening, k_min=settings.k_min, k_max=settings.k_max)
    chosen = choice.candidate
    rows = candidate_rows(screening.candidates, chosen)
    for candidate in screening.candidates:
        if candidate is not chosen:
            words = why_not(candidate, choice, k_min=settings.k_min, k_max=settings.k_max)
            for part, name in {
                "verdict": verdict_of(candidate, len(now.raw)),
                "why": words,
            }.items():
                rows.append(Row(f"candidate_{part}", None, name, candidate.k, candidate.algorithm))
    if chosen is None:
        model, found = _without(now, None, choice.why)
        return model, found + rows
    _, centroids = refit(matrix, chosen.centroids)
    base = Model(chosen.algorithm, now.as_of, now.customers)
    model, found = _in_force(now, settings, space, centroids, base, before, used)
    if not model.keys:
        return model, found + rows
    verdict = [Row("verdict", name=choice.verdict), Row("why", name=choice.why)]
    return model, found + rows + verdict + metric_rows(chosen)


def _refit(
    now: Sample, settings: Settings, before: Model, used: set[int], is_update: bool
) -> tuple[Model, list[Row]]:
    """Keep algorithm and k, start from the centroids in force; an update keeps their space too."""
    if before.space is None:
        return _without(
            now,
            before,
            f"One cluster of everyone: none were found on {before.chosen_on}, and refits keep that "
            "until the next selection.",
        )
    k = len(before.keys)
    if len(now.raw) == 0:
        return _without(now, before, explain_none(0, 0, k))
    space = before.space if is_update else fit_space(now.raw, settings)
    matrix = space.place(now.raw)
    distinct = count_distinct(matrix)
    if distinct < k or len(matrix) <= k:
        return _without(now, before, explain_none(len(matrix), distinct, k))
    if is_update:
        centroids = update_centroids(matrix, before.centroids, before.members)
    else:
        _, centroids = refit(matrix, _moved(before, space))
    base = Model(before.algorithm, before.chosen_on, before.chosen_among)
    model, found = _in_force(now, settings, space, centroids, base, before, used)
    if not model.keys:
        return model, found
    measured = _measured(matrix, centroids, settings.seed)
    verdict = verdict_of(measured, len(matrix))
    why = explain_refit(measured, len(matrix), before.chosen_on, is_update=is_update)
    found += [Row("verdict", name=verdict), Row("why", name=why)]
    return model, found + metric_rows(measured)


def _moved(before: Model, space: Space) -> Matrix:
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


def _measured(matrix: Matrix, centroids: Matrix, seed: int) -> Candidate:
    """The indices of a refit, on as many rows as are screened."""
    from threadpoolctl import threadpool_limits

    load_fitters()
    drawn = matrix[draw_rows(len(matrix), SCREENED_ROWS, seed)]
    k = len(centroids)
    with threadpool_limits(1):
        labels, _ = assign(drawn, centroids)
        # A drawn sample may miss a small cluster; then the others are measured.
        _, labels = np.unique(labels, return_inverse=True)
        found = measure(drawn, labels.astype(np.int64), "kmeans")
        simulated = indices.simulated_silhouettes(drawn, [k], seed=seed)
    return with_reference(replace(found, k=k), simulated)


def _in_force(
    now: Sample,
    settings: Settings,
    space: Space,
    centroids: Matrix,
    base: Model,
    before: Model | None,
    used: set[int],
) -> tuple[Model, list[Row]]:
    """The model of given centroids, with keys, names, limits and its rows."""
    specs = settings.specs
    matrix, scaled = space.place(now.raw), scale(now.raw, space.scaler)
    labels, _ = assign(matrix, centroids)
    k = len(centroids)
    if len(np.unique(labels)) < k:
        distinct = count_distinct(matrix)
        return _without(now, base, explain_none(len(matrix), distinct, k))
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
    kept_words = [names_before[key].words if key in names_before else () for key in keys]
    described = personas(
        profile(now.raw, scaled, labels, k, value),
        specs,
        customers=len(now.raw),
        value=value,
        noun=settings.noun,
        kept_words=kept_words,
    )
    model = replace(
        base,
        keys=tuple(keys),
        space=space,
        centroids=centroids,
        limits=limits,
        names=tuple(persona.name for persona in described),
        members=tuple(int((labels == i).sum()) for i in range(k)),
    )
    rows = [
        Row("model", len(now.raw), model.algorithm, k),
        Row("selected", name=model.chosen_on),
        *space_rows(space, specs),
        *cluster_rows(model, described, labels, now.raw, scaled, specs),
    ]
    return model, rows


def _descending(means: Matrix, first: int) -> Labels:
    """Positions by the mean in column `first`, then by the other columns, all descending."""
    rounded = np.round(means, 12)
    columns = [first, *(i for i in range(rounded.shape[1]) if i != first)]
    order: Labels = np.lexsort([-rounded[:, i] for i in reversed(columns)])
    return order


def _without(now: Sample, chosen: Model | None, why: str) -> tuple[Model, list[Row]]:
    """No clusters; `chosen` is the model of the last choice, None if that is made now."""
    rows = len(now.raw)
    model = Model("none", now.as_of, now.customers)
    if chosen is not None:
        model = replace(model, chosen_on=chosen.chosen_on, chosen_among=chosen.chosen_among)
    return model, [
        Row("model", rows, "none", 1),
        Row("selected", name=model.chosen_on),
        Row("verdict", name="none"),
        Row("why", name=why),
        Row("key", None, key_name(EVERYONE), 1),
        Row("cluster", rows, "Everyone", 1),
    ]
