"""Names of clusters, from what distinguishes their members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from customer_segmentation.fits.base import Matrix
from customer_segmentation.fits.features import Feature

EFFECT_FROM = 0.35  # standard deviations from the average customer

_WORDS_FIRST = 2
_IN_WORDS = {
    "recency_days": ("{} day since the last order", "{} days since the last order"),
    "frequency": ("{} order", "{} orders"),
    "monetary": ("revenue {}", "revenue {}"),
    "to_purchase": ("share of steps to a purchase {}",) * 2,
    "page_to_page": ("share of steps from page to page {}",) * 2,
    "product_to_product": ("share of steps from product to product {}",) * 2,
    "search_to_product": ("share of steps from the search to a product {}",) * 2,
    "product_to_cart": ("share of steps from a product to the cart {}",) * 2,
    "product_exit": ("share of steps that leave from a product {}",) * 2,
    "cart_exit": ("share of steps that leave from the cart {}",) * 2,
}

Trait = tuple[int, int]  # position of a feature; 1 for above everyone, -1 for below


@dataclass(frozen=True)
class Name:
    """The name of a cluster, and the traits that its words stand for."""

    text: str
    words: tuple[Trait, ...]


def name_clusters(
    effects: Matrix,
    medians: Matrix,
    means: Matrix,
    specs: Sequence[Feature],
    *,
    correlated: npt.NDArray[np.bool_] | None = None,
    noun: str = "buyers",
    kept: Sequence[Sequence[Trait]] | None = None,
) -> list[Name]:
    """A name for each cluster, such as "Frequent big spenders"; no two are the same.

    effects: shape (k, features), in standard deviations from the average customer; 0 where a word
    would mislead (see `personas.Profile`). medians, means: likewise, in the features' own units.
    correlated: shape (features, features), which features are redundant; none by default. noun:
    used where the words have no noun of their own. kept: the words of each cluster's name so far.
    A word needs an effect of 0.35. Words so far stay while they hold; without any, the two
    strongest are used, a redundant one last. A long silence is always said. Equal names get all
    their words, then the figures in which their clusters differ, such as "Typical buyers, median 3
    orders".
    """
    words = [
        [(i, side) for i, side in leading(effect, specs, correlated) if _word(specs[i], side)]
        for effect in effects
    ]
    shown = [found[:_WORDS_FIRST] for found in words]
    for i, earlier in enumerate(kept or []):
        if still := [word for word in words[i] if word in earlier]:
            silence = [word for word in words[i] if _is_silence(word, specs)]
            shown[i] = [*silence, *(word for word in still if word not in silence)]

    def texts() -> list[str]:
        return [_phrase(used, specs, noun) for used in shown]

    while short := [
        i for members in _same(texts()) for i in members if len(shown[i]) < len(words[i])
    ]:
        for i in short:
            shown[i] = words[i]
    told_apart = _tell_apart(texts(), medians, means, specs)
    return [Name(text, tuple(used)) for text, used in zip(told_apart, shown, strict=True)]


def strongest_first(
    effects: Matrix, correlated: npt.NDArray[np.bool_] | None = None
) -> list[Trait]:
    """The traits with an effect of 0.35 and more, largest first, redundant ones last.

    effects: shape (features,), in standard deviations.
    """
    far = [i for i in range(len(effects)) if abs(effects[i]) >= EFFECT_FROM]
    ranked = sorted(far, key=lambda i: (-abs(effects[i]), i))
    fresh: list[int] = []
    repeated: list[int] = []
    for i in ranked:
        is_redundant = correlated is not None and any(correlated[i, j] for j in fresh)
        (repeated if is_redundant else fresh).append(i)
    return [(i, 1 if effects[i] > 0 else -1) for i in fresh + repeated]


def leading(
    effects: Matrix, specs: Sequence[Feature], correlated: npt.NDArray[np.bool_] | None = None
) -> list[Trait]:
    """The traits in the order in which they count: a long silence, then the strongest first.

    What suits big spenders, such as thanks, doesn't suit big spenders who have been silent.
    """
    traits = strongest_first(effects, correlated)
    return sorted(traits, key=lambda trait: not _is_silence(trait, specs))


def _is_silence(trait: Trait, specs: Sequence[Feature]) -> bool:
    return specs[trait[0]].name == "recency_days" and trait[1] > 0


def in_words(spec: Feature, figure: str) -> str:
    """A figure of a feature, such as "3 orders"."""
    one, many = _IN_WORDS.get(spec.name, ("", ""))
    if not many:
        return f"{spec.name.replace('_', ' ')} {figure}"
    return (one if figure == "1" else many).format(figure)


def figure(value: float) -> str:
    """Four significant digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _word(spec: Feature, side: int) -> str:
    return spec.word_high if side > 0 else spec.word_low


def _phrase(words: Sequence[Trait], specs: Sequence[Feature], noun: str) -> str:
    """Adjectives in the order of the features, then the nouns: "recent big spenders"."""
    if not words:
        return f"Typical {noun}"
    adjectives, nouns = [], []
    for i, side in sorted(words):
        word = _word(specs[i], side)
        if specs[i].noun:
            nouns.append(f"{word} {specs[i].noun}")
        else:
            adjectives.append(word)
    text = " ".join([*adjectives, " and ".join(nouns) or noun])
    return text[0].upper() + text[1:]


def _tell_apart(
    texts: Sequence[str], medians: Matrix, means: Matrix, specs: Sequence[Feature]
) -> list[str]:
    """The names, equal ones with figures: the feature first that takes on most values.

    Means where medians agree, and the position where all figures do.
    """
    found = list(texts)
    for word, table in [("median", medians), ("mean", means)]:
        figures = [
            [f"{word} {in_words(spec, figure(row[j]))}" for row in table]
            for j, spec in enumerate(specs)
        ]
        for members in _same(found):
            columns = sorted(figures, key=lambda column: -len({column[i] for i in members}))
            for column in columns:
                for same in _same([found[i] for i in members]):
                    own = [members[position] for position in same]
                    if len({column[i] for i in own}) > 1:
                        for i in own:
                            found[i] += f", {column[i]}"
    for members in _same(found):
        for i in members:
            found[i] += f" ({i + 1})"
    return found


def _same(names: Sequence[str]) -> list[list[int]]:
    """Positions of equal names, for each name that occurs more than once."""
    positions = defaultdict(list)
    for i, name in enumerate(names):
        positions[name].append(i)
    return [found for found in positions.values() if len(found) > 1]
