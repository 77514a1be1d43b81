"""Natural breaks: cuts of one measure into bands with members as similar as possible."""

from __future__ import annotations

import jenkspy
import numpy as np
import numpy.typing as npt
import pandas as pd

_DTYPES = {
    "as_of": "date32[day][pyarrow]",
    "cut_number": "int64",
    "cut_value": "float64",
    "status": "str",
}


def natural_cuts(values: npt.NDArray[np.float64], classes: int) -> list[float]:
    """Upper bounds of all classes but the last; a value equal to a bound is below the cut.

    Method: the optimal one-dimensional partition by within-class squared deviation
    (Fisher 1958, "On grouping for maximum homogeneity"; Jenks 1967), as jenkspy computes it.

    values: shape (n,), n >= 1, finite, in any order.
    classes: at least 2. Fewer distinct values than classes: as many classes as distinct values.
    Returns an increasing list of at most classes - 1 of the given values.
    """
    values = np.sort(values)
    distinct = np.unique(values)
    if len(distinct) <= classes:
        return [float(cut) for cut in distinct[:-1]]
    # jenkspy subtracts large sums of squares from each other; near zero it keeps its digits.
    centred = values - distinct[len(distinct) // 2]
    inner = jenkspy.jenks_breaks(centred, n_classes=classes)[1:-1]
    return sorted({float(cut) for cut in values[np.searchsorted(centred, inner)]})


def spend_cuts(values: npt.NDArray[np.float64], classes: int) -> list[float]:
    """Natural breaks of the logarithm of 1 + the positive part, as amounts.

    The spend of most shops has a long tail: on the amounts themselves, a few customers would fill
    all bands but the lowest. Distances of logarithms are ratios.

    values: shape (n,), n >= 1, finite, in currency units; taken to the hundredth, in any order.
    classes: at least 2. Returns the largest amount of each band but the last, two decimals.
    """
    amounts = np.sort(np.rint(values * 100) / 100)
    # To nine decimals, because the last bits of a logarithm differ from machine to machine.
    logs = np.round(np.log1p(np.maximum(amounts, 0.0)), 9).astype(np.float64)
    last = np.searchsorted(logs, natural_cuts(logs, classes), side="right") - 1
    return [round(float(cut), 2) for cut in amounts[last]]


def fit_natural_breaks(sample: pd.DataFrame, *, classes: int) -> pd.DataFrame:
    """Natural breaks of `value` (see `spend_cuts`), separately for each `as_of`.

    sample: one row per as_of and customer, columns as_of (date), customer_key and value (Decimal
    or float, currency units). Rows without a finite value are dropped. Row order never matters.
    Time grows with the square of the rows: take a sample of at most 20,000 first.
    classes: number of bands asked for, at least 2.

    Returns one row per as_of and cut: as_of (date), cut_number (1 .. classes - 1), cut_value
    (currency units, two decimals; the inclusive upper bound of band `cut_number`) and status:
    `ok`, or `few_values` where fewer amounts above 0 differ than there are classes. An as_of with
    a single such amount has one band and so no row.

    Raises ValueError if classes is below 2.
    """
    if classes < 2:
        raise ValueError(f"classes is {classes}; natural breaks need at least 2")
    values = pd.to_numeric(sample["value"].astype(object), errors="coerce").astype("float64")
    data = pd.DataFrame({"as_of": pd.to_datetime(sample["as_of"]), "value": values})
    rows = []
    for as_of, group in data[np.isfinite(values)].groupby("as_of", sort=True):
        found = group["value"].to_numpy()
        cuts = spend_cuts(found, classes)
        status = "ok" if len(cuts) == classes - 1 else "few_values"
        rows += [(as_of.date(), number, cut, status) for number, cut in enumerate(cuts, start=1)]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)
