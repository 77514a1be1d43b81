"""Scores by quintiles: better values never score less, and equal ones alike."""

from __future__ import annotations

import random
from itertools import pairwise

import duckdb
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import GrammarProject


@pytest.fixture(scope="module")
def sql(project: GrammarProject) -> dict[str, str]:
    """The SQL of cut points and scores of the table buyers, for both orders."""
    quintiles = ", ".join(
        f"{{{{ quantile('value', '0.{2 * cut}', order) }}}} as cut_{cut}" for cut in range(1, 5)
    )
    return {
        order: project.render(
            f"""
            {{% set order = '{order}' %}}
            with fitted as (
                select {quintiles}, {"max" if order == "asc" else "min"}(value) as cut_5,
                    case when count(distinct value) = 1 then 'one_value' else 'ok' end as cut_status
                from buyers
            )
            select value, {{{{ rfm_score('value', 'cut', order) }}}} as score
            from buyers cross join fitted
            order by value
            """,
            {},
        )
        for order in ("asc", "desc")
    }


def scored(sql: str, values: list[int]) -> list[tuple[int, int]]:
    with duckdb.connect() as connection:
        connection.execute("create table buyers as select unnest(?::integer[]) as value", [values])
        return connection.execute(sql).fetchall()


@pytest.mark.check("properties")
@examples(60)
@given(
    st.lists(st.integers(-5, 40), min_size=1, max_size=40),
    st.sampled_from(["asc", "desc"]),
    st.randoms(use_true_random=False),
)
def test_scores_follow_the_values_and_treat_equals_alike(
    sql: dict[str, str], values: list[int], order: str, rng: random.Random
) -> None:
    rows = scored(sql[order], values)
    worst_to_best = rows if order == "asc" else rows[::-1]
    for (value, score), (better, higher) in pairwise(worst_to_best):
        assert score <= higher
        assert score == higher or value != better
    assert worst_to_best[-1][1] == (5 if len(set(values)) > 1 else 3)
    assert {score for _, score in rows} <= {1, 2, 3, 4, 5}
    assert scored(sql[order], rng.sample(values, len(values))) == rows
