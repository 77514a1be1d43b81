"""Slack of score bands: the SQL against a replay in Python, and who flips at a cut point."""

from __future__ import annotations

import functools
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
CUTS = [20.0, 40.0, 60.0, 80.0]
BEST = 100.0


@functools.cache
def rendered(project: GrammarProject, slack: float, order: str) -> str:
    """The SQL of the scores of facts, by the macros."""
    bounds = {"score": 0.0, "score_at_least": slack, "score_at_most": -slack}
    columns = ", ".join(
        f"{{{{ rfm_score('value', 'cut', '{order}', {share}) }}}} as x_{name}"
        for name, share in bounds.items()
    )
    return project.render(
        f"""
        with scored as (
            select customer_key, as_of, min(as_of) over (partition by customer_key) as first_as_of,
                {columns}
            from facts
        )
        select {{{{ replayed_score('x') }}}} as score
        from scored
        window so_far as (partition by customer_key order by as_of)
        order by customer_key, as_of
        """,
        {},
    )


def replay(project: GrammarProject, values: Array, slack: float, order: str = "asc") -> Array:
    """Scores of customers (rows) over periods (columns) by the macros, with fixed cut points."""
    customers, periods = values.shape
    cuts = [*CUTS, BEST] if order == "asc" else [*reversed(CUTS), 1.0]
    facts = pd.DataFrame(
        {
            "customer_key": np.repeat(np.arange(customers), periods),
            "as_of": np.tile(pd.date_range("2024-01-01", periods=periods).date, customers),
            "value": values.ravel(),
            "cut_status": "ok",
            **{f"cut_{number}": cut for number, cut in enumerate(cuts, start=1)},
        }
    )
    connection = duckdb.connect()
    connection.register("raw_facts", facts)
    connection.execute(
        "create table facts as select * replace (as_of::date as as_of) from raw_facts"
    )
    scores = connection.sql(rendered(project, slack, order)).fetchall()
    return np.array(scores).reshape(values.shape)


def expected(values: Array, slack: float) -> Array:
    """The score of the period before, moved no further than the value beyond slack asks for."""

    def score(value: float, share: float) -> int:
        if value >= BEST * (1 + share):
            return 5
        return 1 + sum(value > cut * (1 + share) for cut in CUTS)

    rows = []
    for row in values:
        kept = [score(row[0], 0)]
        for value in row[1:]:
            kept.append(min(max(kept[-1], score(value, slack)), score(value, -slack)))
        rows.append(kept)
    return np.array(rows)


histories = st.integers(1, 6).flatmap(
    lambda periods: st.lists(
        st.lists(st.integers(0, 120), min_size=periods, max_size=periods), min_size=1, max_size=30
    )
)


@pytest.mark.check("properties")
@examples(25)
@given(histories, st.sampled_from([0.05, 0.1, 0.5]))
def test_scores_are_kept_as_a_replay_in_python_keeps_them(
    project: GrammarProject, rows: list[list[int]], slack: float
) -> None:
    values = np.array(rows, dtype=float)
    assert (replay(project, values, slack) == expected(values, slack)).all()


def test_fewer_days_are_better_where_the_order_says_so(project: GrammarProject) -> None:
    # 61 days miss the cut point of 60 by less than a tenth, 70 by more.
    days = np.array([[59.0, 61.0, 70.0, 61.0, 50.0]])
    assert replay(project, days, 0.1, "desc").tolist() == [[3, 3, 2, 2, 3]]


@pytest.mark.parametrize(("slack", "least", "most"), [(0.0, 0.03, 0.1), (0.1, 0.0, 0.001)])
def test_noise_near_a_cut_point_makes_few_flip(
    project: GrammarProject, slack: float, least: float, most: float
) -> None:
    """Five per cent noise on steady customers, two months of days."""
    random = np.random.default_rng(20180101)
    level = np.exp(random.normal(3.8, 0.7, 2_000))
    values = level[:, None] * (1 + random.uniform(-0.05, 0.05, (2_000, 60)))
    flips = np.diff(replay(project, values, slack), axis=1) != 0
    assert least <= flips.mean() <= most
