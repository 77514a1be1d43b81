"""Stored fits: parameters that were fitted on the same sample, by the same code, are used again.

Parameters are a function of data and calendar, so a stored table of them is a cache. A fit is used
again only if nothing that went into it has changed: the sample of its date, the arguments, the code
of the fit and the versions of the libraries. Otherwise the date is fitted anew. A build that reuses
all its fits doesn't even import the libraries.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import duckdb

from customer_segmentation.code_hash import code_hash
from customer_segmentation.sql import identifier, literal


def fit_where_changed(
    session: duckdb.DuckDBPyConnection,
    sample: duckdb.DuckDBPyRelation,
    *,
    stored: object,
    fit: str,
    is_chain: bool = False,
    schemes: Mapping[str, Mapping[str, Any]] | None = None,
    by: str = "scheme",
    **arguments: Any,
) -> duckdb.DuckDBPyRelation:
    """Parameters for each `as_of` of the sample: from the stored table, or fitted now.

    sample: columns as_of (date), sample_hash (one value per date, which changes with its rows) and
    what the fit needs.
    stored: name of the table that the last build wrote; it need not exist.
    fit: function of this package, such as "fits.topics.fit_topics". It gets the rows of the dates
    to fit as a data frame without sample_hash, and the arguments; it returns a data frame with the
    column as_of.
    is_chain: whether a fit starts from the one before it. Then stored fits are used only if those
    of all dates are unchanged; otherwise all dates are fitted anew.
    schemes: arguments of the fit that differ by the sample's column `by`. Each scheme that has
    rows is fitted or reused on its own; the fit gets its rows without that column.
    by: name of the column that holds the scheme.

    Returns the columns of the fit and fit_key; with schemes the column `by` comes first. Dates
    that are no longer in the sample are dropped.
    """
    if schemes is None:
        return _fit_where_changed(session, sample, str(stored), "true", fit, is_chain, arguments)
    column = identifier(by)
    present = {scheme for (scheme,) in _distinct_rows(sample, column)}
    found = []
    # Without any rows the first scheme provides the columns; without schemes, the fit of nothing.
    for scheme in [name for name in schemes if name in present] or [*schemes, ""][:1]:
        own = f"{column} = {literal(scheme)}"
        rows = sample.filter(own).select(f"* exclude ({column})")
        merged = {**arguments, **schemes.get(scheme, {})}
        fitted = _fit_where_changed(session, rows, str(stored), own, fit, is_chain, merged)
        others = ", ".join(identifier(name) for name in fitted.columns if name != by)
        found.append(fitted.select(f"cast({literal(scheme)} as varchar) as {column}, {others}"))
    return functools.reduce(duckdb.DuckDBPyRelation.union, found)


def _fit_where_changed(
    session: duckdb.DuckDBPyConnection,
    sample: duckdb.DuckDBPyRelation,
    stored: str,
    own: str,
    fit: str,
    is_chain: bool,
    arguments: Mapping[str, Any],
) -> duckdb.DuckDBPyRelation:
    """The fits of one sample; `own` is the condition on its rows of the stored table."""
    wanted = {
        as_of: _fit_key(sample_hash, fit, arguments)
        for as_of, sample_hash in _distinct_rows(sample, "as_of", "sample_hash")
    }
    kept = _stored_fits(session, stored, own, wanted, is_chain)
    if kept is not None and len(kept) == len(wanted):
        return session.table(stored).filter(own).filter(_is_one_of(kept)).order("all")
    changed = {as_of: key for as_of, key in wanted.items() if as_of not in (kept or {})}
    rows = sample.filter(_is_one_of(changed)).df().drop(columns="sample_hash")
    module, _, function = fit.rpartition(".")
    fitted = getattr(import_module(f"customer_segmentation.{module}"), function)(rows, **arguments)
    keys = {str(as_of): key for as_of, key in changed.items()}
    fitted["fit_key"] = fitted["as_of"].astype(str).map(keys).astype("str")
    fresh = session.from_df(fitted)
    if not kept:
        return fresh
    # Of schemes, the stored table has the column that names them as well.
    columns = ", ".join(map(identifier, fresh.columns))
    earlier = session.table(stored).filter(own).filter(_is_one_of(kept)).select(columns)
    return earlier.union(fresh)


def _stored_fits(
    session: duckdb.DuckDBPyConnection,
    stored: str,
    own: str,
    wanted: dict[Any, str],
    is_chain: bool,
) -> dict[Any, str] | None:
    """The dates whose stored fit can be reused; None if there is no such table or chain."""
    try:
        table = session.table(stored).filter(own)
        found = dict(_distinct_rows(table, "as_of", "fit_key"))
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    if is_chain:
        return found if found == wanted else None
    return {as_of: key for as_of, key in found.items() if wanted.get(as_of) == key}


def _distinct_rows(relation: duckdb.DuckDBPyRelation, *columns: str) -> list[tuple[Any, ...]]:
    return relation.select(*columns).distinct().order("all").fetchall()


def _is_one_of(dates: dict[Any, str]) -> str:
    listed = ", ".join(f"date '{as_of}'" for as_of in sorted(dates))
    return f"as_of in ({listed})" if listed else "false"


def _fit_key(sample_hash: object, fit: str, arguments: Mapping[str, Any]) -> str:
    code = code_hash("fits.stored_fits", fit.rpartition(".")[0])
    parts = [str(sample_hash), fit, json.dumps(arguments, sort_keys=True), code]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
