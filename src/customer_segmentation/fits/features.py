"""Feature sets: the meaning of the sample's columns, and how text becomes numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_segmentation.fits.base import Matrix

if TYPE_CHECKING:
    import pandas as pd

SCALINGS = ("z_score", "min_max", "robust")
ENCODINGS = ("number", "one_hot", "ordinal")

LARGEST = 1e100  # squares of anything larger overflow
_WORDS: dict[str, dict[str, str]] = {
    "recency_days": {"word_low": "recent", "word_high": "quiet"},
    "frequency": {"word_low": "occasional", "word_high": "frequent"},
    "monetary": {"word_low": "small", "word_high": "big", "noun": "spenders"},
}


@dataclass(frozen=True)
class Feature:
    """What to do with one column of the sample.

    column, treated: its column in the wide table of features, and whether SQL took its value with
    gaps filled and outliers capped; not read here.
    log: use log1p; values below 0 count as 0.
    caps: two quantiles, from 0 to 1, at which values are capped.
    scaling: z_score (mean, population standard deviation), min_max, or robust (median,
    interquartile range); all after log and caps.
    encoding: number; or, for text, one_hot (a column of 0 and 1 per level) or ordinal (the position
    in `levels` from 0). Encoded columns are neither logged nor capped.
    levels: of text, required by both encodings; for ordinal from the lowest to the highest.
    word_low, word_high: words for a cluster well below or above the average; "" for none.
    noun: what such a word describes, if not customers in general ("big" -> "big spenders").
    orders_clusters: whether cluster 1 is the highest in this feature.
    """

    name: str
    column: str = ""
    treated: bool = False
    log: bool = False
    caps: tuple[float, float] = (0.01, 0.99)
    scaling: str = "z_score"
    encoding: str = "number"
    levels: tuple[str, ...] = ()
    word_low: str = ""
    word_high: str = ""
    noun: str = ""
    orders_clusters: bool = False


def read_features(features: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    """Feature specifications with defaults filled in.

    Raises ValueError for no features, an unknown key or word, caps that are not two rising shares,
    ordinal text without levels, a missing or repeated name, or more than one feature that orders
    the clusters.
    """
    known = set(Feature.__dataclass_fields__)
    for given in features:
        if "name" not in given or set(given) - known:
            raise ValueError(f"feature {given}: expected a name and of {sorted(known)} any others")
    specs = [_read_feature(given) for given in features]
    names = [spec.name for spec in specs]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"features {names}: expected at least one and each once")
    if sum(spec.orders_clusters for spec in specs) > 1:
        raise ValueError("only one feature can order the clusters")
    return tuple(specs)


def _read_feature(given: Mapping[str, Any]) -> Feature:
    lists = {
        "caps": tuple(given.get("caps", Feature.caps)),
        "levels": tuple(str(level) for level in given.get("levels", ())),
    }
    spec = Feature(**{**_WORDS.get(given["name"], {}), **given, **lists})
    if len(spec.caps) != 2 or not 0 <= spec.caps[0] < spec.caps[1] <= 1:
        raise ValueError(
            f"feature {spec.name}: caps are {spec.caps}; expected 0 <= low < high <= 1"
        )
    for what, allowed in {"scaling": SCALINGS, "encoding": ENCODINGS}.items():
        if getattr(spec, what) not in allowed:
            raise ValueError(
                f"feature {spec.name}: {what} is {getattr(spec, what)!r}; "
                f"expected one of {', '.join(allowed)}"
            )
    if spec.encoding != "number" and len(spec.levels) < 2:
        raise ValueError(f"feature {spec.name}: {spec.encoding} needs its levels, lowest first")
    if len({level_column(spec.name, level) for level in spec.levels}) < len(spec.levels):
        raise ValueError(f"feature {spec.name}: levels {spec.levels} repeat")
    return spec


def encoded(specs: Sequence[Feature]) -> tuple[Feature, ...]:
    """The features of the columns that the sample has, which are numbers.

    A one-hot feature becomes a 0 or 1 per level, named as in `level_column`; an ordinal one is the
    position of its level, missing where the level isn't listed. SQL writes these columns, for the
    sample and for every customer; a missing value is the level `unknown`.
    """
    found: list[Feature] = []
    for spec in specs:
        if spec.encoding == "number":
            found.append(spec)
        elif spec.encoding == "ordinal":
            found.append(replace(spec, log=False, caps=(0.0, 1.0)))
        else:
            found += [
                Feature(level_column(spec.name, level), caps=(0.0, 1.0), scaling=spec.scaling)
                for level in spec.levels
            ]
    return tuple(found)


def level_column(name: str, level: str) -> str:
    """Such as age_band__45_54: the feature and the level in lower case, digits and _."""
    return f"{name}__{re.sub('[^a-z0-9]+', '_', level.lower())}"


def values_of(sample: pd.DataFrame, specs: Sequence[Feature]) -> Matrix:
    """The columns of encoded features, shape (rows, features); NaN where a value is missing."""
    import pandas as pd

    columns = [pd.to_numeric(sample[spec.name].astype(object), errors="coerce") for spec in specs]
    return np.column_stack([column.to_numpy("float64", na_value=np.nan) for column in columns])
