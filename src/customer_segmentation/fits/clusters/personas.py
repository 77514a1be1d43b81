"""Personas: what distinguishes a cluster; its name and card never contradict the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.clusters.base import Labels, Matrix
from customer_segmentation.fits.clusters.features import Feature
from customer_segmentation.fits.clusters.names import keep_names, name_clusters, strongest_first

REDUNDANT_FROM = 0.7  # absolute correlation


@dataclass(frozen=True)
class Profile:
    """The members of each cluster compared with everyone; noise counts in everyone only.

    sizes: shape (k,). effects: shape (k, features), mean of the members minus that of everyone, in
    standard deviations of everyone, after log, caps and scaling; 0 if the median is on the other
    side, because then the mean does not describe the typical member.
    quartiles: shape (k, 3, features), in the features' own units; everyone: shape (3, features).
    value_share: shape (k,), of the sum of the value feature; nan if that is not above 0.
    correlated: shape (features, features), whether two features are redundant.
    """

    sizes: Labels
    effects: Matrix
    quartiles: Matrix
    everyone: Matrix
    value_share: Matrix
    correlated: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Persona:
    """Name and card of a cluster, and the feature and side that distinguish it most.

    trait: such as "monetary high" or "recency_days low", a key for actions; "typical" for none.
    """

    name: str
    card: str
    trait: str


def profile(raw: Matrix, scaled: Matrix, labels: Labels, k: int, value: int | None) -> Profile:
    """The profile of k clusters that all have members.

    raw, scaled: shape (rows, features), the same rows before and after preparation. labels: shape
    (rows,), 0 to k - 1 or -1. value: position of the feature whose sum is a cluster's value,
    None for none.
    """
    deviation = scaled.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1)  # constant but for the last bits
    centre, middle = scaled.mean(axis=0), np.median(scaled, axis=0)
    members = [labels == i for i in range(k)]
    means = np.array([scaled[own].mean(axis=0) for own in members])
    medians = np.array([np.median(scaled[own], axis=0) for own in members])
    effects = (means - centre) / deviation
    agrees = np.sign(effects) == np.sign(medians - middle)
    standard = (scaled - centre) / deviation
    total = 0 if value is None else raw[:, value].sum()
    return Profile(
        sizes=np.array([own.sum() for own in members], dtype=np.int64),
        effects=np.where(agrees, effects, 0.0),
        quartiles=np.array([np.quantile(raw[own], [0.25, 0.5, 0.75], axis=0) for own in members]),
        everyone=np.quantile(raw, [0.25, 0.5, 0.75], axis=0),
        value_share=np.array(
            [raw[own, value].sum() / total if total > 0 else np.nan for own in members]
        ),
        correlated=np.abs(standard.T @ standard) / len(scaled) >= REDUNDANT_FROM,
    )


def personas(
    found: Profile,
    specs: Sequence[Feature],
    *,
    customers: int,
    value: int | None,
    noun: str = "buyers",
    kept_names: Sequence[str | None] | None = None,
) -> list[Persona]:
    """A persona for each cluster of the profile; no two have the same name.

    customers: all of the sample. value: position of the value feature. noun: see `name_clusters`.
    kept_names: the name of each cluster's key so far, None for new keys; it stays while it holds.
    """
    names = name_clusters(found.effects, specs, found.correlated, noun)
    if kept_names is not None:
        names = keep_names(names, kept_names, found.effects, specs)
    described = []
    for i, name in enumerate(names):
        traits = strongest_first(found.effects[i], found.correlated)
        strongest = traits[0] if traits else None
        side = "" if strongest is None else " high" if found.effects[i, strongest] > 0 else " low"
        described.append(
            Persona(
                name=name,
                card=_card(found, specs, i, traits, customers, value),
                trait="typical" if strongest is None else specs[strongest].name + side,
            )
        )
    return described


def _card(
    found: Profile,
    specs: Sequence[Feature],
    i: int,
    traits: Sequence[int],
    customers: int,
    value: int | None,
) -> str:
    """One paragraph: size and value, what differs, the typical customer."""
    size = int(found.sizes[i])
    text = f"{size:,} of {customers:,} customers ({size / customers:.1%})"
    if value is not None and np.isfinite(found.value_share[i]):
        text += f" with {found.value_share[i]:.1%} of all {_words(specs[value])}"
    differences = [
        f"{_words(specs[j])} {'higher' if found.effects[i, j] > 0 else 'lower'} "
        f"(median {found.quartiles[i, 1, j]:,.4g} against {found.everyone[1, j]:,.4g}, "
        f"effect {found.effects[i, j]:+.2f} standard deviations)"
        for j in traits
    ]
    if differences:
        text += f". Against all customers: {'; '.join(differences)}"
    else:
        text += ". No feature differs much from all customers"
    ranges = [
        f"{_words(spec)} {found.quartiles[i, 0, j]:,.4g} to {found.quartiles[i, 2, j]:,.4g}"
        for j, spec in enumerate(specs)
    ]
    return f"{text}. The middle half of the members: {', '.join(ranges)}."


def _words(spec: Feature) -> str:
    return spec.name.replace("_", " ")
