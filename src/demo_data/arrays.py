"""Columns of generated data, as arrays and in Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Array = npt.NDArray[Any]


def money(cents: Array) -> pa.Array:
    """Whole cents as decimal(18,2), without a detour over floating point."""
    unscaled = np.empty((len(cents), 2), dtype="<i8")
    unscaled[:, 0], unscaled[:, 1] = cents, cents >> 63
    return pa.Array.from_buffers(
        pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(unscaled.tobytes())]
    )


def ids(prefix: str, number: Array) -> Array:
    return np.array([f"{prefix}{n}" for n in number.tolist()], dtype=object)


def instants(values: Array) -> pa.Array:
    return pa.array(values.astype("M8[us]")).cast(pa.timestamp("us", tz="UTC"))


def of_words(codes: Array, options: list[str]) -> pa.Array:
    codes = pa.array(np.asarray(codes).astype(np.int8))
    return pa.DictionaryArray.from_arrays(codes, pa.array(options)).cast(pa.string())


def as_arrow(frame: pd.DataFrame) -> pa.Table:
    columns = {}
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind == "M":
            columns[name] = instants(values.to_numpy())
        elif values.dtype.kind in "OUT":
            texts = [value if isinstance(value, str) else None for value in values]
            columns[name] = pa.array(texts, pa.string())
        else:
            columns[name] = pa.array(values)
    return pa.table(columns)


def contract_table(frame: pd.DataFrame) -> pa.Table:
    return as_arrow(frame.assign(is_synthetic=True))
