"""The form of a stored fit: one long table, from which SQL models pick the parts."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

LONG_TABLE = {
    "as_of": "date32[day][pyarrow]",
    "part": "str",
    "name": "str",
    "number": "Int64",
    "feature": "str",
    "value": "float64",
}


@dataclass(frozen=True)
class Row:
    """A row without its date; what a part doesn't use is None."""

    part: str
    value: float | None = None
    name: str | None = None
    number: int | None = None
    feature: str | None = None


def long_table(fits: Mapping[dt.date, Iterable[Row]]) -> pd.DataFrame:
    """The rows of each as_of, tidied and sorted, in the form of LONG_TABLE."""
    import pandas as pd

    records = [
        (as_of, row.part, row.name, row.number, row.feature, row.value)
        for as_of in sorted(fits)
        for row in sorted(map(_tidied, fits[as_of]), key=_place)
    ]
    columns = zip(*records, strict=True) if records else [[]] * len(LONG_TABLE)
    # Typed column by column: a float on the way would round the customer keys.
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=dtype)
            for (name, dtype), column in zip(LONG_TABLE.items(), columns, strict=True)
        }
    )


def _tidied(row: Row) -> Row:
    return row if row.value is None else replace(row, value=tidy(row.value))


def _place(row: Row) -> tuple[str, int, str, str]:
    return row.part, row.number or 0, row.feature or "", row.name or ""


def tidy(value: float) -> float:
    """12 significant digits: the last bits differ from machine to machine."""
    return float(f"{value:.12g}") if math.isfinite(value) else value
