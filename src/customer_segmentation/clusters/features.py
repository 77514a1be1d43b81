"""Feature sets: what a column of the sample is, and how text becomes numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from customer_segmentation.clusters.base import Matrix

if TYPE_CHECKING:
    import pandas as pd

SCALINGS = ("z_score", "min_max", "robust")
ENCODINGS = ("number", "one_hot", "ordinal")
UNKNOWN = "unknown"

_LARGEST = 1e100  # squares of anything larger overflow
_WORDS: dict[str, dict[str, str]] = {
    "recency_days": {"word_low": "recent", "word_high": "lapsed"},
    "frequency": {"word_low": "occasional", "word_high": "frequent"},
    "monetary": {"word_low": "small", "word_high": "big", "noun": "spenders"},
}


@dataclass(frozen=True)
class Feature:
    """What to do with one column of the sample.

    column: where SQL found it in the wide table of features; not read here.
    log: use log1p; values below 0 count as 0 then.
    caps: two quantiles, from 0 to 1, that values are cut off at.
    scaling: z_score (mean, population standard deviation), min_max, or robust (median,
    interquartile range); all after log and caps.
    encoding: number; or, for text, one_hot (a column of 0 and 1 per level) or ordinal (the position
    in `levels` from 0). Encoded columns are neither logged nor capped.
    levels: of text. Ordinal needs them, lowest first; one_hot takes those of the sample without.
    word_low, word_high: words for a cluster well below or above the average; "" for none.
    noun: what such a word describes, if not buyers ("big" -> "big spenders").
    orders_clusters: cluster 1 is the highest in this feature.
    """

    name: str
    column: str = ""
    log: bool = False
    caps: tuple[float, float] = (0.01, 0.99)
    scaling: str = "z_score"
    encoding: str = "number"
    levels: tuple[str, ...] = ()
    word_low: str = ""
    word_high: str = ""
    noun: str = ""
    orders_clusters: bool = False


@dataclass(frozen=True)
class Code:
    """The number that a level of a text feature becomes in `column`; any other becomes `other`."""

    column: str
    feature: str
    level: str
    code: float
    other: float | None


def read_features(features: Sequence[dict[str, Any]]) -> tuple[Feature, ...]:
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


def _read_feature(given: dict[str, Any]) -> Feature:
    lists = {key: tuple(given[key]) for key in ("caps", "levels") if key in given}
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
    if spec.encoding == "ordinal" and len(spec.levels) < 2:
        raise ValueError(f"feature {spec.name}: ordinal needs its levels, lowest first")
    if len(set(spec.levels)) < len(spec.levels):
        raise ValueError(f"feature {spec.name}: levels {spec.levels} repeat")
    return spec


def encode(
    sample: pd.DataFrame, specs: Sequence[Feature]
) -> tuple[pd.DataFrame, tuple[Feature, ...], list[Code]]:
    """The sample with numbers for text, the features of the new columns, and the codes.

    One-hot columns are named feature=level. A missing level is `unknown`, a level like any other in
    one_hot; an ordinal level that is not listed has no code, so its rows are incomplete.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    encoded: list[Feature] = []
    codes: list[Code] = []
    for spec in specs:
        if spec.encoding == "number":
            columns[spec.name] = sample[spec.name]
            encoded.append(spec)
            continue
        given = sample[spec.name].astype(object)
        text = given.where(given.notna(), UNKNOWN).astype(str)
        if spec.encoding == "ordinal":
            found = [
                Code(spec.name, spec.name, level, float(i), None)
                for i, level in enumerate(spec.levels)
            ]
            columns[spec.name] = text.map({code.level: code.code for code in found})
        else:
            found = [
                Code(f"{spec.name}={level}", spec.name, level, 1.0, 0.0)
                for level in spec.levels or sorted(text.unique())
            ]
            for code in found:
                columns[code.column] = (text == code.level).astype("float64")
        codes += found
        for column in dict.fromkeys(code.column for code in found):
            words = spec if column == spec.name else Feature(column, scaling=spec.scaling)
            encoded.append(replace(words, name=column, log=False, caps=(0.0, 1.0)))
    data = pd.DataFrame(columns, index=sample.index)
    data.insert(0, "customer_key", sample["customer_key"])
    return data, tuple(encoded), codes


def usable_rows(sample: pd.DataFrame, specs: Sequence[Feature]) -> Matrix:
    """The complete rows of numeric features, in order of customer_key, then of the values.

    Incomplete is a row where a feature is missing, infinite or beyond 1e100.
    """
    import pandas as pd

    columns = [pd.to_numeric(sample[spec.name].astype(object), errors="coerce") for spec in specs]
    raw = np.column_stack([column.to_numpy("float64", na_value=np.nan) for column in columns])
    keys = pd.to_numeric(sample["customer_key"]).to_numpy()
    order = np.lexsort((*raw.T[::-1], keys))
    raw = raw[order]
    complete: Matrix = raw[(np.abs(raw) <= _LARGEST).all(axis=1)]
    return complete


def ordering_position(specs: Sequence[Feature]) -> int:
    """Position of the feature that orders clusters: the one marked, else monetary, else 0."""
    marked = [i for i, spec in enumerate(specs) if spec.orders_clusters]
    monetary = [i for i, spec in enumerate(specs) if spec.name == "monetary"]
    return [*marked, *monetary, 0][0]
