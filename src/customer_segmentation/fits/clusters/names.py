"""Names of clusters, from the side of the average they are on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.clusters.base import Matrix
from customer_segmentation.fits.clusters.features import Feature

WORD_FROM = 0.35  # standard deviations from the average customer

_WORDS_FIRST = 2
_VERY = {"lapsed": "long lapsed"}


def name_clusters(
    centroids: Matrix,
    specs: Sequence[Feature],
    correlated: npt.NDArray[np.bool_] | None = None,
    noun: str = "buyers",
) -> list[str]:
    """A name for each centroid, such as "Frequent big spenders"; no two are the same.

    centroids: shape (k, features), in standard deviations from the average customer; 0 where a word
    would mislead (see `personas.Profile`). correlated: shape (features, features), which features
    are redundant; none by default. noun: used where the words have no noun of their own.
    A word needs a distance of 0.35 and describes the side the centroid is on. The two strongest are
    used; a redundant one comes last. Equal names get all their words, then a qualifier (very,
    fairly) for the word that differs most, then the cluster number.
    """
    words = [_strongest_words(centroid, specs, correlated) for centroid in centroids]
    shown = [found[:_WORDS_FIRST] for found in words]
    names = [_phrase(used, specs, {}, noun) for used in shown]
    for members in _same(names):
        for i in members:
            shown[i] = words[i]
            names[i] = _phrase(shown[i], specs, {}, noun)
    for members in _same(names):
        for i, qualifier in _qualifiers(centroids, shown, members).items():
            names[i] = _phrase(shown[i], specs, qualifier, noun)
    for members in _same(names):
        for i in members:
            names[i] = f"{names[i]} ({i + 1})"
    return names


def strongest_first(effects: Matrix, correlated: npt.NDArray[np.bool_] | None = None) -> list[int]:
    """Positions of the effects of 0.35 and more, largest first, redundant ones last.

    effects: shape (features,), in standard deviations.
    """
    far = [i for i in range(len(effects)) if abs(effects[i]) >= WORD_FROM]
    ranked = sorted(far, key=lambda i: (-abs(effects[i]), i))
    if correlated is None:
        return ranked
    fresh: list[int] = []
    repeated: list[int] = []
    for i in ranked:
        (repeated if any(correlated[i, j] for j in fresh) else fresh).append(i)
    return fresh + repeated


def _strongest_words(
    centroid: Matrix, specs: Sequence[Feature], correlated: npt.NDArray[np.bool_] | None
) -> list[tuple[int, str]]:
    """(feature position, word) for each feature far enough from 0, the farthest first."""
    found = [
        (i, specs[i].word_high if centroid[i] > 0 else specs[i].word_low)
        for i in strongest_first(centroid, correlated)
    ]
    return [(i, word) for i, word in found if word]


def _phrase(
    words: Sequence[tuple[int, str]],
    specs: Sequence[Feature],
    qualifiers: dict[int, str],
    noun: str,
) -> str:
    """Adjectives in the order of the features, then the nouns: "recent big spenders"."""
    if not words:
        return f"Typical {noun}"
    adjectives, nouns = [], []
    for position, word in sorted(words):
        qualified = _qualify(word, qualifiers.get(position, ""))
        own_noun = specs[position].noun
        if own_noun:
            nouns.append(f"{qualified} {own_noun}")
        else:
            adjectives.append(qualified)
    text = " ".join([*adjectives, " and ".join(nouns) or noun])
    return text[0].upper() + text[1:]


def _qualify(word: str, qualifier: str) -> str:
    if qualifier == "very" and word in _VERY:
        return _VERY[word]
    return f"{qualifier} {word}".strip()


def _qualifiers(
    centroids: Matrix, shown: Sequence[Sequence[tuple[int, str]]], members: Sequence[int]
) -> dict[int, dict[int, str]]:
    """For clusters of one name: very for the farthest; fairly for the nearest of three or more."""
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


def keep_names(
    fresh: Sequence[str], kept: Sequence[str | None], centroids: Matrix, specs: Sequence[Feature]
) -> list[str]:
    """The names in force that still hold, else the fresh ones; no two are the same.

    kept: per cluster the name of its key, None for a new key. A name holds while each of its words
    describes the side the centroid is on (at any distance; 0.35 applies to new words). A fresh name
    that is taken gets a number.
    """
    names: list[str | None] = []
    for name, centroid in zip(kept, centroids, strict=True):
        holds = name is not None and name not in names and name_holds(name, centroid, specs)
        names.append(name if holds else None)
    taken = {name for name in names if name is not None}
    for i, name in enumerate(names):
        if name is None:
            plain = found = fresh[i]
            number = 2
            while found in taken:
                found = f"{plain} ({number})"
                number += 1
            names[i] = found
            taken.add(found)
    return [name for name in names if name is not None]


def name_holds(name: str, centroid: Matrix, specs: Sequence[Feature]) -> bool:
    """Whether each word of the name describes the side of the average the centroid is on."""
    for value, spec in zip(centroid, specs, strict=True):
        for side, word in [(-1, spec.word_low), (1, spec.word_high)]:
            said = word and re.search(rf"\b{re.escape(word)}\b", name, re.IGNORECASE)
            if said and side * value <= 0:
                return False
    return True
