"""Personas: what distinguishes a cluster; its name, card and action follow from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Labels, Matrix
from customer_segmentation.fits.clusters.names import (
    Name,
    Trait,
    figure,
    in_words,
    leading,
    name_clusters,
)
from customer_segmentation.fits.features import Feature

REDUNDANT_FROM = 0.7  # absolute correlation
ONE_IN = 5  # the part of everyone's median and mean by which those of the members must differ


@dataclass(frozen=True)
class Profile:
    """The members of each cluster compared with everyone; noise counts in everyone only.

    sizes: shape (k,). effects: shape (k, features), mean of the members minus that of everyone, in
    standard deviations of everyone, after log, caps and scaling; 0 unless the feature itself says
    the same: median and mean are on that side by at least a fifth of everyone's.
    quartiles: shape (k, 3, features), means: shape (k, features), in the features' own units;
    everyone: shape (3, features), quartiles.
    value_share: shape (k,), of the sum of the value feature; nan if that is not above 0.
    correlated: shape (features, features), whether two features are redundant.
    """

    sizes: Labels
    effects: Matrix
    quartiles: Matrix
    means: Matrix
    everyone: Matrix
    value_share: Matrix
    correlated: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Persona:
    """Name and card of a cluster, and what its action may follow from.

    traits: keys for actions, the most fitting first, such as "monetary high" or "recency_days low";
    the first is of two traits where there are two: "recency_days high, monetary high". "typical"
    for none.
    """

    name: Name
    card: str
    traits: tuple[str, ...]


def profile(raw: Matrix, scaled: Matrix, labels: Labels, k: int, value: int | None) -> Profile:
    """The profile of k clusters that all have members.

    raw, scaled: shape (rows, features), the same rows before and after preparation. labels: shape
    (rows,), 0 to k - 1 or -1. value: position of the feature whose sum is a cluster's value,
    None for none.
    """
    deviation = scaled.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1)  # constant but for the last bits
    standard = (scaled - scaled.mean(axis=0)) / deviation
    members = [labels == i for i in range(k)]
    effects = np.array([standard[own].mean(axis=0) for own in members])
    quartiles = np.array([np.quantile(raw[own], [0.25, 0.5, 0.75], axis=0) for own in members])
    means = np.array([raw[own].mean(axis=0) for own in members])
    everyone = np.quantile(raw, [0.25, 0.5, 0.75], axis=0)
    agrees = np.full(effects.shape, True)
    for own_figures, of_all in [(quartiles[:, 1], everyone[1]), (means, raw.mean(axis=0))]:
        above = own_figures - of_all
        agrees &= np.sign(effects) == np.sign(above)
        agrees &= np.abs(above) * ONE_IN >= np.abs(of_all)
    total = 0 if value is None else raw[:, value].sum()
    return Profile(
        sizes=np.array([own.sum() for own in members], dtype=np.int64),
        effects=np.where(agrees, effects, 0.0),
        quartiles=quartiles,
        means=means,
        everyone=everyone,
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
    kept_words: Sequence[Sequence[Trait]] | None = None,
) -> list[Persona]:
    """A persona for each cluster of the profile; no two have the same name.

    customers: all of the sample. value: position of the value feature. noun, kept_words: see
    `name_clusters`.
    """
    names = name_clusters(
        found.effects,
        found.quartiles[:, 1],
        found.means,
        specs,
        correlated=found.correlated,
        noun=noun,
        kept=kept_words,
    )
    described = []
    for i, name in enumerate(names):
        traits = leading(found.effects[i], specs, found.correlated)
        card = _card(found, specs, i, traits, customers, value)
        described.append(Persona(name, card, action_keys(traits, specs)))
    return described


def action_keys(traits: Sequence[Trait], specs: Sequence[Feature]) -> tuple[str, ...]:
    """Keys of the first two traits together, then of each. traits: see `leading`."""
    two = traits[:2]
    keys = {trait: f"{specs[trait[0]].name} {'high' if trait[1] > 0 else 'low'}" for trait in two}
    both = [", ".join(keys[trait] for trait in sorted(two))] if len(two) > 1 else []
    return (*both, *keys.values()) or ("typical",)


def _card(
    found: Profile,
    specs: Sequence[Feature],
    i: int,
    traits: Sequence[Trait],
    customers: int,
    value: int | None,
) -> str:
    """One paragraph: size and value, what differs, the typical customer."""
    size = int(found.sizes[i])
    text = f"{size:,} of {customers:,} customers ({size / customers:.1%})"
    if value is not None and np.isfinite(found.value_share[i]):
        text += f" with {found.value_share[i]:.1%} of all revenue"
    differences = [
        f"median {in_words(specs[j], figure(found.quartiles[i, 1, j]))} against "
        f"{figure(found.everyone[1, j])} (effect {found.effects[i, j]:+.2f} standard deviations)"
        for j, _ in traits
    ]
    if differences:
        text += f". Against all customers: {'; '.join(differences)}"
    else:
        text += ". No feature differs much from all customers"
    ranges = []
    for j, spec in enumerate(specs):
        low, high = figure(found.quartiles[i, 0, j]), figure(found.quartiles[i, 2, j])
        ranges.append(in_words(spec, low if low == high else f"{low} to {high}"))
    return f"{text}. The middle half of the members: {', '.join(ranges)}."
