"""Recency in own gaps: what may never lower a score, and how much it flips at a steady pace."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import GrammarProject

Array = npt.NDArray[Any]
OWN_GAPS = {"rfm_recency": "own_gaps"}


@pytest.fixture(scope="module")
def sql(project: GrammarProject) -> str:
    """The SQL of own gaps and of their score, with the limits that the macro has."""
    limits = project.value("rfm_metrics().recency.limits", OWN_GAPS)
    cuts = ", ".join(f"{limit} as cut_{cut}" for cut, limit in enumerate(limits, start=1))
    return project.render(
        f"""
        with measured as (
            select
                {{{{ recency_in_own_gaps() }}}} as gaps,
                {cuts},
                null as cut_5,
                'fixed' as cut_status
            from facts
        )
        select gaps, {{{{ rfm_score('gaps', 'cut', 'desc') }}}} as score from measured
        """,
        OWN_GAPS,
    )


def scored(sql: str, histories: list[list[int]], as_of: int, mean_gap: float) -> pd.DataFrame:
    """Gaps and score of customers by the days on which they ordered."""
    facts = pd.DataFrame(
        {
            "recency_days__all": [as_of - max(days) for days in histories],
            "tenure_days__all": [as_of - min(days) for days in histories],
            "purchase_days__all": [len(set(days)) for days in histories],
            "buyers__gap_days": mean_gap,
        }
    )
    with duckdb.connect() as connection:
        connection.register("facts", facts)
        return connection.sql(sql).df()


histories = st.lists(st.integers(0, 400), min_size=1, max_size=12, unique=True).map(sorted)
mean_gaps = st.floats(1, 300)


@pytest.mark.check("properties")
@examples(60)
@given(histories, st.data(), mean_gaps)
def test_a_later_last_order_never_scores_lower(
    sql: str, days: list[int], data: st.DataObject, mean_gap: float
) -> None:
    later = [*days[:-1], data.draw(st.integers(days[-1], 400))]
    now, moved = scored(sql, [days, later], 401, mean_gap).itertuples()
    assert moved.gaps <= now.gaps
    assert moved.score >= now.score


@pytest.mark.check("properties")
@examples(60)
@given(histories, mean_gaps)
def test_one_more_order_on_the_newest_day_never_scores_lower(
    sql: str, days: list[int], mean_gap: float
) -> None:
    now, more = scored(sql, [days, [*days, 400]], 401, mean_gap).itertuples()
    assert more.gaps <= now.gaps
    assert more.score >= now.score


@pytest.mark.check("properties")
@examples(60)
@given(histories, st.integers(401, 500), mean_gaps)
def test_a_longer_silence_never_scores_higher(
    sql: str, days: list[int], as_of: int, mean_gap: float
) -> None:
    (now,) = scored(sql, [days], as_of, mean_gap).itertuples()
    (later,) = scored(sql, [days], as_of + 1, mean_gap).itertuples()
    assert later.gaps > now.gaps
    assert later.score <= now.score


def test_one_order_has_the_gap_of_all_and_many_have_their_own(sql: str) -> None:
    """Weekly for two years: 21 days are three gaps, and not the tenth of a gap that all have."""
    weekly = list(range(0, 700, 7))
    once, often = scored(sql, [[693], weekly], 714, 210).gaps
    assert once == pytest.approx(0.1)
    assert often == pytest.approx(21 / ((4 * 210 + 693) / 103))
    assert scored(sql, [weekly], 714, 14).gaps[0] == pytest.approx(21 / ((4 * 14 + 693) / 103))


def quintiles(days: Array) -> Array:
    """Scores by days against quintiles of the buyers, as by default."""
    cuts = [np.quantile(-days, share, method="inverted_cdf") for share in (0.2, 0.4, 0.6, 0.8)]
    return np.where(-days >= max(-days), 5, 1 + sum(-days > cut for cut in cuts))


def test_steady_customers_keep_their_score_where_quintiles_of_days_flip(sql: str) -> None:
    """A thousand customers order at random for a year, each at a steady pace of 2 to 30 days."""
    random = np.random.default_rng(20180101)
    paces = random.uniform(2, 30, 1_000)
    histories = [np.unique(random.exponential(p, 1_000).cumsum().astype(int)) for p in paces]
    scores: dict[str, list[Array]] = {"days": [], "own_gaps": []}
    for as_of in (365, 395):
        until = [days[days < as_of].tolist() for days in histories]
        gap = float(np.mean(paces))
        scores["own_gaps"].append(scored(sql, until, as_of, gap).score.to_numpy())
        scores["days"].append(quintiles(np.array([as_of - max(days) for days in until])))
    flips = {name: np.mean(before != after) for name, (before, after) in scores.items()}
    assert flips["days"] > 0.6
    assert flips["own_gaps"] < 0.3
