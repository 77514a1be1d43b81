"""Linkage: agreements and differences weighted as evidence that two records are one person.

The model is that of Fellegi and Sunter (1969, "A theory for record linkage"): each comparison of
two records falls into one level; m is the share of a level among pairs of one person, u among
pairs of two people, and the weight log2(m/u) is added up. Splink estimates m and u.

One call, `fit_linkage`, returns the parameters as one long table; SQL compares the pairs and adds
the weights. Both read the levels from one declaration.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from customer_segmentation.fits.long_table import LONG_TABLE
from customer_segmentation.identity.comparisons import Comparison, read_comparisons

_NOT_COMPARED = ("as_of", "record_key")
# The blocks of pairs that m is learned from. Not e-mail or phone: families share those, and the
# model would learn that people of different names and birth dates are one.
_BLOCKS = {
    "the same full name": ("given_name", "family_name"),
    "the same birth date": ("birth_date",),
}
_BOTH = tuple(column for columns in _BLOCKS.values() for column in columns)
_CROWD = 100  # more records of one name and birth date are a default value, not a person
_FEWEST_PAIRS = 50  # in each block: below, EM follows single pairs
_FEWEST_MATCHES = 10  # expected: chance alone makes a few pairs of strangers alike
# In each block and for u. On 20,000 records five times as many pairs moved the weights of common
# levels by 0.1, of the rarest by 1.2, and took eight times as long.
_MOST_PAIRS = 1e6
_NO_EVIDENCE = 1.0  # m and u of a level without weight


def fit_linkage(
    sample: pd.DataFrame | pa.Table, *, comparisons: Sequence[Mapping[str, Any]], seed: int
) -> pd.DataFrame:
    """Weights of all levels of all comparisons, separately for each `as_of`.

    sample: one row per as_of and record: as_of (date), record_key (integer, each once in an
    as_of), given_name, family_name, birth_date and any other text columns, normalised, null where
    unknown. It must be drawn at random from all records (not by name or date), or the prior and u
    are wrong. Row order never matters.
    comparisons: see `read_comparisons`.
    seed: of the sample of pairs for u; it is drawn only from more than a million pairs.

    Returns the columns as_of, part, name, number, feature, value. Parts:
    model   name splink or none, value rows used
    why     name: a sentence
    prior   value: probability that two random records of the sample are one person
    weight  name of the level, number 1.. in the declared order and 0 for else, feature the
            comparison, value log2(m/u), three decimals
    m, u    likewise; shares from 0 to 1, six significant digits
    A level never seen among the pairs of one kind counts as seen once; seen among neither, or in
    a comparison that cannot be learned, it has weight 0 and neither m nor u. Where the model is
    none there are no other parts but `why`.

    Raises ValueError for a wrong comparison or a missing column, never for the rows.
    """
    table = (
        sample
        if isinstance(sample, pa.Table)
        else pa.Table.from_pandas(sample, preserve_index=False)
    )
    needed = {*_NOT_COMPARED, *(column for block in _BLOCKS.values() for column in block)}
    missing = needed - set(table.column_names)
    if missing:
        raise ValueError(f"columns missing from the sample: {', '.join(sorted(missing))}")
    specs = read_comparisons(comparisons, set(table.column_names) - set(_NOT_COMPARED))
    table = table.set_column(
        table.column_names.index("as_of"), "as_of", table["as_of"].cast(pa.date32())
    )
    rows: list[tuple[Any, ...]] = []
    for as_of in sorted(pc.unique(table["as_of"].drop_null()).to_pylist()):
        records = table.filter(pc.equal(table["as_of"], as_of))
        rows += [(as_of, *row) for row in _fit_one(records, specs, seed)]
    return pd.DataFrame(rows, columns=list(LONG_TABLE)).astype(LONG_TABLE)


@dataclass(frozen=True)
class Evidence:
    """The training data: numbers of records, of pairs per block and of pairs in both blocks."""

    rows: int
    blocks: Mapping[str, int]
    in_both: int

    @property
    def pairs(self) -> int:
        return self.rows * (self.rows - 1) // 2


@dataclass(frozen=True)
class Trained:
    """Splink's model and the number of pairs that it expects to be one person.

    The model is a mapping as Splink saves it, with parameters that are rounded and never extreme.
    """

    model: dict[str, Any]
    matches: float

    @property
    def prior(self) -> float:
        """Probability that two random records are one person."""
        return float(self.model["probability_two_random_records_match"])


def train(
    connection: duckdb.DuckDBPyConnection,
    evidence: Evidence,
    comparisons: Sequence[Comparison],
    seed: int,
) -> Trained:
    """The model of the records in `connection` (see `load`), with enough of them to learn from.

    u is taken from random pairs, m by expectation maximisation (Splink's) in two blocks of pairs:
    those with the same full name teach about all but names, those with the same birth date about
    all but the date. In each block EM also finds how many pairs are one person. It starts from one
    such pair among all, so that without evidence there are none. The prior is the number found in
    either block: pairs that differ in name and in birth date are few. What the blocks teach is
    averaged by that number.
    """
    # Imported here: most builds have the parameters stored and need no Splink.
    from splink import DuckDBAPI, Linker, block_on

    data = DuckDBAPI(connection=connection).register("records", table_name="sample")
    settings: dict[str, Any] = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record_key",
        "probability_two_random_records_match": 1 / evidence.pairs,
        "comparisons": [comparison.settings for comparison in comparisons],
        "blocking_rules_to_generate_predictions": [block_on(*b) for b in _BLOCKS.values()],
    }
    lessons = []
    with _quiet():
        linker = Linker(data, settings, log_level=None)
        linker.training.estimate_u_using_random_sampling(
            max_pairs=_MOST_PAIRS, seed=seed, min_count_per_level=None, num_chunks=1
        )
        model = linker.misc.save_model_to_json()
        for block, columns in _BLOCKS.items():
            # Each block has a linker of its own: a second one would start from what it has learned.
            linker = Linker(data, model, log_level=None)
            session = linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(*columns),
                # Nothing here depends on the frequency of a term, and patterns are few.
                estimate_without_term_frequencies=True,
                max_pairs=_MOST_PAIRS if evidence.blocks[block] > _MOST_PAIRS else None,
                record_sample_proportion=0.1,
            )
            share = session.core_model_settings.probability_two_random_records_match
            learned = linker.misc.save_model_to_json()["comparisons"]
            shares = {c["output_column_name"]: _known_shares(c, "m_probability") for c in learned}
            lessons.append(_Lesson(columns, share * evidence.blocks[block], shares))
    found = [one.matches for one in lessons]
    matches = max(1.0, *found, sum(found) - evidence.in_both)
    model["probability_two_random_records_match"] = _tidy(min(matches / evidence.pairs, 0.5))
    for comparison, settings in zip(comparisons, model["comparisons"], strict=True):
        m = _average_shares(comparison, lessons, evidence)
        _set_shares(settings, m, _known_shares(settings, "u_probability"), matches, evidence)
    return Trained(model, matches)


@dataclass(frozen=True)
class _Lesson:
    """What EM found in a block: pairs of one person, and their shares of each level.

    Comparisons that read a column of the block have shares of 0.
    """

    columns: Sequence[str]
    matches: float
    shares: Mapping[str, Sequence[float]]


def _average_shares(
    comparison: Comparison, lessons: Sequence[_Lesson], evidence: Evidence
) -> list[float]:
    """The m of each level, all 0 if no block teaches it.

    A block that has a comparison's columns in common teaches nothing about it, but its pairs are of
    one person too, and agree. Without them the birth date would hardly ever agree where each
    duplicate has one error: then those of the same name differ in the date.
    """
    sums = [0.0] * len(comparison.labels)
    for lesson in lessons:
        for number, share in enumerate(lesson.shares[comparison.name]):
            sums[number] += lesson.matches * share
    if not any(sums):
        return sums
    for lesson in lessons:
        agreed = comparison.level_of_equals(lesson.columns)
        if agreed is not None:
            sums[agreed] += max(lesson.matches - evidence.in_both, 0)
    return [one / sum(sums) for one in sums]


def why_untrainable(evidence: Evidence) -> str | None:
    """Why no weights can be learned, in a sentence; None if they can."""
    if evidence.rows < 2:
        return f"No weights were learned: there are {evidence.rows} records; at least 2 are needed."
    for block, pairs in evidence.blocks.items():
        if pairs < _FEWEST_PAIRS:
            return (
                f"No weights were learned: {pairs:,} pairs of records have {block}; at least "
                f"{_FEWEST_PAIRS} are needed."
            )
    return None


def why_useless(trained: Trained) -> str | None:
    """Why the weights that were learned say nothing, in a sentence; None if they do."""
    if trained.matches < _FEWEST_MATCHES:
        return (
            f"No weights were learned: fewer than {_FEWEST_MATCHES} pairs of records are expected "
            "to be one person."
        )
    return None


def load(records: pa.Table, comparisons: Sequence[Comparison]) -> duckdb.DuckDBPyConnection:
    """A database in memory with the columns that are read, as text, in order of record_key."""
    wanted = {column for one in comparisons for level in one.levels for column in level.columns}
    wanted |= {column for block in _BLOCKS.values() for column in block}
    given = set(records.column_names)
    texts = [
        f"cast({quoted if column in given else 'null'} as varchar) as {quoted}"
        for column, quoted in ((column, f'"{column}"') for column in sorted(wanted))
    ]
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.register("given", records)
    connection.execute(
        f"create table records as select record_key, {', '.join(texts)} from given"
        f" qualify {' or '.join(f'{column} is null' for column in _BOTH)}"
        f" or count(*) over (partition by {', '.join(_BOTH)}) <= {_CROWD} order by all"
    )
    return connection


def count_evidence(connection: duckdb.DuckDBPyConnection) -> Evidence:
    """Counts records and pairs."""

    def number(sql: str) -> int:
        ((found,),) = connection.execute(sql).fetchall()
        return int(found)

    def pairs(columns: Sequence[str]) -> int:
        return number(
            "select coalesce(sum(n * (n - 1) / 2), 0) from (select count(*) as n from records"
            f" where {' and '.join(f'{column} is not null' for column in columns)}"
            f" group by {', '.join(columns)})"
        )

    return Evidence(
        rows=number("select count(*) from records"),
        blocks={name: pairs(columns) for name, columns in _BLOCKS.items()},
        in_both=pairs(_BOTH),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Splink, which logs each step and each unseen level; the stored table has them."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _known_levels(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]


def _known_shares(comparison: Mapping[str, Any], kind: str) -> list[float]:
    """Shares of the levels; 0 where Splink has seen or learned none."""
    found = [level.get(kind) for level in _known_levels(comparison)]
    return [share if _is_share(share) else 0.0 for share in found]


def _set_shares(
    comparison: Mapping[str, Any],
    m: Sequence[float],
    u: Sequence[float],
    matches: float,
    evidence: Evidence,
) -> None:
    """Rounds m and u, and counts a level that was never seen as seen once.

    Otherwise an unseen level would have an infinite weight, or that of Splink's default of one in a
    million, whatever the number of records. A level seen in neither kind of pair, or of a
    comparison without m or u, is no evidence.
    """
    once = {"m_probability": 1 / matches, "u_probability": 1 / min(evidence.pairs, _MOST_PAIRS)}
    for level, *shares in zip(_known_levels(comparison), m, u, strict=True):
        is_evidence = any(m) and any(u) and any(shares)
        for (kind, least), share in zip(once.items(), shares, strict=True):
            level[kind] = _tidy(max(share, min(least, 0.5))) if is_evidence else _NO_EVIDENCE


def _is_share(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and math.isfinite(value)


def _fit_one(
    records: pa.Table, comparisons: Sequence[Comparison], seed: int
) -> list[tuple[str, str | None, int | None, str | None, float | None]]:
    """Rows of part, name, number, feature and value."""
    connection = load(records, comparisons)
    evidence = count_evidence(connection)
    why = why_untrainable(evidence)
    trained = None if why else train(connection, evidence, comparisons, seed)
    if trained:
        why = why_useless(trained)
    if why or not trained:
        return [("model", "none", None, None, evidence.rows), ("why", why, None, None, None)]
    return [
        ("model", "splink", None, None, evidence.rows),
        ("why", _explain(evidence, trained), None, None, None),
        ("prior", None, None, None, trained.prior),
        *_level_rows(trained.model, comparisons),
    ]


def _level_rows(
    model: Mapping[str, Any], comparisons: Sequence[Comparison]
) -> Iterator[tuple[str, str, int, str, float]]:
    for comparison, trained in zip(comparisons, model["comparisons"], strict=True):
        known = trained["comparison_levels"][1:]
        for number, (label, level) in enumerate(zip(comparison.labels, known, strict=True), 1):
            m, u = level["m_probability"], level["u_probability"]
            where = label, 0 if label == "else" else number, comparison.name
            yield "weight", *where, round(math.log2(m / u), 3)
            if not m == u == _NO_EVIDENCE:
                yield "m", *where, m
                yield "u", *where, u


def _explain(evidence: Evidence, trained: Trained) -> str:
    found = " and ".join(
        f"{pairs:,} pairs with {block}" for block, pairs in evidence.blocks.items()
    )
    return (
        f"Learned from {evidence.rows:,} records: {found}, {trained.matches:,.0f} of which are "
        f"expected to be one person: one pair in {1 / trained.prior:,.0f} of all."
    )


def _tidy(value: float) -> float:
    """Six significant digits: the last bits differ from run to run."""
    return float(f"{value:.6g}")
