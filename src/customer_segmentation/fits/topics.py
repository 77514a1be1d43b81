"""Topics of customers' texts: TF-IDF and a truncated singular value decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from threadpoolctl import threadpool_limits

from customer_segmentation.fits.long_table import LONG_TABLE


def fit_topics(
    sample: pd.DataFrame,
    *,
    count: int,
    min_customers: int,
    max_ticket_share: float,
    max_terms: int,
    seed: int,
) -> pd.DataFrame:
    """Vocabulary, weights of terms and topics, separately for each `as_of`.

    Method: latent semantic analysis (Deerwester et al. 1990) as TfidfTransformer and TruncatedSVD
    of scikit-learn compute it: counts of a term times its idf, ln((1 + tickets) / (1 + tickets with
    the term)) + 1, each ticket scaled to length 1, not centred. At the first date topics are
    numbered by singular value. Later, each gets the number of the most similar topic of the
    previous date (pairs with the largest sum of absolute cosines).

    sample: one row per as_of (date), ticket_key and term, with customer_key and occurrences (a
    whole number from 1). Row order never matters.
    count: number of topics, at least 1; fewer if the matrix of tickets and terms has a lower rank.
    min_customers: terms used by fewer customers are left out, so no model holds a word that only
    one person writes.
    max_ticket_share: terms in more than this share of the tickets, 0 to 1, are left out too.
    max_terms: largest vocabulary; the terms used by most customers, ties in alphabetical order.
    seed: of the decomposition.

    Returns the columns as_of, part, name, number, feature and value, with these parts:
    model: one row a date; name svd, or none where there is no vocabulary; value: tickets.
    idf: feature is the term.
    weight: of the term `feature` in topic `number` (from 1), rounded to six decimals. Each topic
    has length 1; its sign means nothing, and the largest weight is positive.
    likeness: absolute cosine of topic `number` with that topic of the date before, 0 to 1; 0 where
    there was none; no row at the first date with topics.
    """
    rows: list[tuple[Any, ...]] = []
    before: pd.DataFrame | None = None
    for as_of, tickets in sample.groupby("as_of", sort=True):
        terms = _vocabulary(tickets, min_customers, max_ticket_share, max_terms)
        size = tickets["ticket_key"].nunique()
        rows.append((as_of, "model", "svd" if terms else "none", None, None, size))
        if not terms:
            continue
        idf, topics = _decomposed(tickets, terms, count, seed)
        rows += [(as_of, "idf", None, None, term, value) for term, value in idf.items()]
        if before is not None:
            numbers, likeness = successors(topics, before)
            topics = topics.set_axis(numbers, axis=1).sort_index(axis=1)
            rows += [
                (as_of, "likeness", None, number, None, value) for number, value in likeness.items()
            ]
        for number, weights in topics.items():
            rows += [
                (as_of, "weight", None, number, term, value) for term, value in weights.items()
            ]
        before = topics
    return pd.DataFrame(rows, columns=list(LONG_TABLE)).astype(LONG_TABLE)


def _vocabulary(
    tickets: pd.DataFrame, min_customers: int, max_ticket_share: float, max_terms: int
) -> list[str]:
    counts = tickets.groupby("term").agg(
        customers=("customer_key", "nunique"), tickets=("ticket_key", "nunique")
    )
    most = max_ticket_share * tickets["ticket_key"].nunique()
    known = counts[(counts["customers"] >= min_customers) & (counts["tickets"] <= most)]
    ranked = known.reset_index().sort_values(["customers", "term"], ascending=[False, True])
    return sorted(ranked["term"].head(max_terms))


def _decomposed(
    tickets: pd.DataFrame, terms: list[str], count: int, seed: int
) -> tuple[pd.Series, pd.DataFrame]:
    """The idf of each term; the weight of each term (row) in each topic (column, from 1)."""
    # Tickets without any of the terms count too: idf is computed from all tickets.
    documents = pd.Index(sorted(tickets["ticket_key"].unique()))
    # Sorted, so that sums have the same last bits whatever the order of the rows.
    kept = tickets[tickets["term"].isin(terms)].sort_values(["ticket_key", "term"])
    places = documents.get_indexer(kept["ticket_key"]), pd.Index(terms).get_indexer(kept["term"])
    counts = csr_matrix(
        (kept["occurrences"].to_numpy(dtype="float64"), places), shape=(len(documents), len(terms))
    )
    transformer = TfidfTransformer()
    weighted = transformer.fit_transform(counts)
    if len(terms) == 1:
        # scikit-learn wants two features.
        weights = np.ones((1, 1))
    else:
        decomposition = TruncatedSVD(min(count, len(terms)), random_state=seed)
        # The few default iterations are intended: with many, rounding alone would separate topics
        # of equal size. Without any variance the shares are 0 / 0.
        with threadpool_limits(1), np.errstate(invalid="ignore"):
            decomposition.fit(weighted)
        is_real = decomposition.singular_values_ > 1e-6 * decomposition.singular_values_[0]
        weights = decomposition.components_[is_real]
    signs = np.sign(weights[np.arange(len(weights)), np.abs(weights).argmax(axis=1)])
    topics = pd.DataFrame(
        (weights * signs[:, None]).T.round(6), index=terms, columns=range(1, len(weights) + 1)
    )
    return pd.Series(transformer.idf_, index=terms), topics


def successors(
    now: pd.DataFrame, before: pd.DataFrame, *, is_signed: bool = False
) -> tuple[list[int], pd.Series]:
    """The number of the most similar earlier column for each column, and the similarity by number.

    now, before: columns of length 1 over named rows, those of `before` by their numbers from 1.
    is_signed: whether opposite columns are dissimilar; otherwise absolute cosines count.
    """
    rows = sorted({*now.index, *before.index})
    # A number that was not used at the date before is similar to none.
    numbers = range(1, max(before.columns, default=0) + 1)
    then = before.reindex(index=rows, columns=numbers, fill_value=0.0).to_numpy()
    cosines = now.reindex(rows, fill_value=0.0).to_numpy().T @ then
    likeness = (cosines if is_signed else np.abs(cosines)).clip(0, 1)
    # Nor is an additional topic.
    padded = np.zeros((likeness.shape[0], max(likeness.shape)))
    padded[:, : likeness.shape[1]] = likeness
    own, partner = linear_sum_assignment(padded, maximize=True)
    values = pd.Series(padded[own, partner].round(6), index=partner + 1).sort_index()
    return (partner + 1).tolist(), values
