"""Rates of groups in segments and among predicted customers, and what is withheld of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fairlearn.metrics
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from customer_segmentation.fairness.segments import segment_rates

AS_OF = pd.Timestamp("2024-02-01").date()
Draw = npt.NDArray[Any]


def counts(
    groups: Draw, segments: Mapping[str, Draw], population: str = "all", attribute: str = "region"
) -> list[dict[str, Any]]:
    """Rows of int_marts__fairness_counts. segments: who is a member, by key."""
    common = {"as_of": AS_OF, "population": population, "attribute": attribute}
    everyone = np.ones(len(groups), dtype=bool)
    return [
        {
            **common,
            "scheme": key.partition(":")[0],
            "segment_key": key,
            "attribute_group": group,
            "customers": int((groups == group).sum()),
            "all_customers": len(groups),
            "members": int((members & (groups == group)).sum()),
            "all_members": int(members.sum()),
        }
        for key, members in {"all": everyone, **segments}.items()
        for group in sorted(set(groups))
    ]


def rates(rows: list[dict[str, Any]], smallest_cell: int = 1) -> pd.DataFrame:
    columns = list(counts(np.array(["a"]), {})[0])
    table = pd.DataFrame(rows, columns=columns)
    return segment_rates(table, smallest_cell=smallest_cell, least_ratio=0.8)


def test_published_example_of_fairlearn() -> None:
    members = np.array([1, 1, 0, 1, 0, 0, 1, 1], dtype=bool)
    groups = np.array(list("aabbaabb"))
    found = rates(counts(groups, {"rule:x": members})).set_index("attribute_group")
    assert found.loc["a", "parity_difference"] == pytest.approx(-0.25)
    assert found.loc["a", "parity_ratio"] == pytest.approx(2 / 3)
    assert found.loc["b", "representation"] == pytest.approx(0.75 / 0.625)


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_of_fairlearn_and_p_values_those_of_fisher(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c", "unknown"], 500)
    members = rng.random(500) < np.where(groups == "a", 0.5, 0.3)
    found = rates(counts(groups, {"rule:x": members})).set_index("attribute_group")
    shares = found["members"].astype(float) / found["customers"].astype(float)
    theirs = fairlearn.metrics.MetricFrame(
        metrics=fairlearn.metrics.selection_rate,
        y_true=members,
        y_pred=members,
        sensitive_features=groups,
    )
    assert shares.to_dict() == pytest.approx(theirs.by_group.to_dict())
    for group, row in found.iterrows():
        known = np.full(500, True) if group == "unknown" else groups != "unknown"
        is_group = groups[known] == group
        pair = {"y_true": members[known], "y_pred": members[known], "sensitive_features": is_group}
        difference = fairlearn.metrics.demographic_parity_difference(**pair)
        ratio = fairlearn.metrics.demographic_parity_ratio(**pair)
        assert abs(row["parity_difference"]) == pytest.approx(difference)
        assert min(row["parity_ratio"], 1 / row["parity_ratio"]) == pytest.approx(ratio)
        assert row["difference_low"] < row["parity_difference"] < row["difference_high"]
        assert row["ratio_low"] < row["parity_ratio"] < row["ratio_high"]
        table = pd.crosstab(is_group, members[known]).to_numpy()
        tails = [stats.fisher_exact(table, side).pvalue for side in ("less", "greater")]
        assert row["p_value"] == pytest.approx(min(1, 2 * min(tails)))


def unbiased(seed: int) -> pd.DataFrame:
    """Eight segments of a scheme and five rules, drawn without regard to two attributes."""
    rng = np.random.default_rng(seed)
    scheme = rng.integers(0, 8, 3000)
    segments = {f"scheme:{number}": scheme == number for number in range(8)}
    segments |= {f"rule:{number}": rng.random(3000) < 0.02 * 2**number for number in range(5)}
    region = rng.choice(list("NSEW"), 3000, p=[0.6, 0.25, 0.1, 0.05])
    age = rng.choice(["young", "middle", "old", "unknown"], 3000, p=[0.1, 0.1, 0.1, 0.7])
    return rates(counts(region, segments) + counts(age, segments, attribute="age_band"), 10)


def false_alarms(draws: int) -> float:
    verdicts = pd.concat([unbiased(seed)["verdict"] for seed in range(draws)])
    assert (verdicts == "ok").sum() > 70 * draws
    return float(verdicts.isin(["under-represented", "over-represented"]).mean())


def test_unbiased_draws_raise_few_alarms() -> None:
    assert false_alarms(20) < 0.005


@pytest.mark.slow
def test_200_unbiased_draws_raise_few_alarms() -> None:
    assert false_alarms(200) < 0.005


@pytest.mark.parametrize("seed", range(5))
def test_a_region_half_as_often_in_a_segment_is_named(seed: int) -> None:
    rng = np.random.default_rng(seed)
    region = rng.choice(list("NSEW"), 3000)
    scheme = rng.integers(0, 8, 3000)
    segments = {f"scheme:{number}": scheme == number for number in range(8)}
    segments["rule:offer"] = rng.random(3000) < np.where(region == "S", 0.15, 0.3)
    found = rates(counts(region, segments), 10)
    named = found[~found["verdict"].isin(["ok", "too few"])].sort_values("p_value")
    first = named.iloc[0][["segment_key", "attribute_group", "verdict"]].tolist()
    assert first == ["rule:offer", "S", "under-represented"]
    assert len(named) <= 0.1 * len(found)


def test_many_unknown_do_not_hide_or_make_a_bias() -> None:
    """The known are in it twice as often as the unknown, but alike among themselves."""
    rng = np.random.default_rng(0)
    region = rng.choice(["N", "S", "unknown"], 4000, p=[0.1, 0.1, 0.8])
    members = rng.random(4000) < np.where(region == "unknown", 0.2, 0.4)
    found = rates(counts(region, {"rule:x": members})).set_index("attribute_group")["verdict"]
    assert found.to_dict() == {"N": "ok", "S": "ok", "unknown": "under-represented"}


def test_one_group_alone_has_nothing_to_be_compared_with() -> None:
    groups = np.full(100, "N")
    (row,) = rates(counts(groups, {"rule:x": np.arange(100) < 50})).to_dict("records")
    assert (row["verdict"], row["representation"]) == ("ok", 1)
    assert np.isnan(row["parity_difference"])


def test_without_attributes_there_are_no_rows() -> None:
    assert rates([]).empty


@st.composite
def partitions(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    sizes = draw(st.lists(st.integers(0, 30), min_size=shape[0] * shape[1], max_size=99))
    cells = [divmod(at, shape[1]) for at in range(shape[0] * shape[1])]
    placed = [cell for cell, size in zip(cells, sizes, strict=False) for _ in range(size)]
    groups = np.array([f"g{group}" for group, _ in placed] or ["g0"])
    segment = np.array([number for _, number in placed] or [0])
    segments = {f"scheme:{number}": segment == number for number in sorted(set(segment))}
    segments["rule:first"] = segment == 0
    return counts(groups, segments), draw(st.sampled_from([2, 5, 10]))


@given(partitions())
def test_small_cells_and_those_that_give_them_away_are_withheld(
    drawn: tuple[list[dict[str, Any]], int],
) -> None:
    rows, smallest = drawn
    found = rates(rows, smallest)
    members = {(row["segment_key"], row["attribute_group"]): row["members"] for row in rows}
    hidden = found["verdict"] == "too few"
    assert found[hidden].select_dtypes("number").isna().all(axis=None)
    shown = found[~hidden]
    assert ((shown["members"] == 0) | (shown["members"] >= smallest)).all()
    rest = shown["customers"] - shown["members"]
    assert ((rest == 0) | (rest >= smallest)).all()
    for by in ("segment_key", "attribute_group"):
        for _, part in found[found["scheme"] == "scheme"].groupby(by):
            gone = [
                members[row["segment_key"], row["attribute_group"]]
                for row in part.to_dict("records")
                if row["verdict"] == "too few"
            ]
            is_whole = not part["members"].fillna(0).any()
            assert (
                is_whole or not any(gone) or (np.count_nonzero(gone) > 1 and sum(gone) >= smallest)
            )
