"""Rates of groups in segments and among predicted customers, and what is withheld of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fairlearn.metrics
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from customer_segmentation.fairness.predictions import prediction_rates
from customer_segmentation.fairness.segments import segment_rates
from customer_segmentation.fairness.thresholds import fit_thresholds

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


def test_groups_are_not_compared_with_many_unknown_whose_members_are_withheld() -> None:
    region = np.repeat(["N", "S", "unknown"], [300, 300, 2400])
    members = np.arange(3000) < 300
    members[-6:] = True
    assert set(rates(counts(region, {"rule:x": members}), 10)["verdict"]) == {"too few"}
    region = np.repeat(["N", "S", "E", "unknown"], [300, 300, 300, 12])
    members = np.arange(912) % 2 == 0
    found = rates(counts(region, {"rule:x": members}), 10).set_index("attribute_group")["verdict"]
    assert found["unknown"] == "too few"
    assert set(found) == {"ok", "too few"}


def test_what_one_scheme_withholds_of_the_same_members_no_other_shows() -> None:
    """Prospects are withheld beside a small cell; another scheme would give both away."""
    place = np.arange(2000)
    region = np.repeat(["N", "S"], 1000)
    prospect, small = place % 4 == 0, np.isin(place, [1, 2, 3, 1001, 1002, 1003])
    half = ~prospect & (place % 3 == 0)
    segments = {
        "one:prospect": prospect,
        "one:small": small,
        "two:prospect": prospect,
        "two:half": half,
        "two:other": ~prospect & ~half,
    }
    segments["one:rest"] = ~prospect & ~small
    # The cells of the rest are large enough to be chosen last.
    segments = {key: members.astype(bool) for key, members in sorted(segments.items())}
    found = rates(counts(region, segments), 10)
    hidden = found[found["verdict"] == "too few"]
    groups = hidden.groupby("segment_key")["attribute_group"].agg(set)
    assert groups["one:prospect"] == {"N", "S"}
    assert groups["two:prospect"] == {"N", "S"}


def test_one_group_alone_has_nothing_to_be_compared_with() -> None:
    groups = np.full(100, "N")
    (row,) = rates(counts(groups, {"rule:x": np.arange(100) < 50})).to_dict("records")
    assert (row["verdict"], row["representation"]) == ("nothing to compare", 1)
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
@examples(60)
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


# --- Predictions ------------------------------------------------------------------------------


def judged(
    groups: Draw, outcome: Draw, likely: Draw, chances: Draw, smallest_cell: int = 1
) -> pd.DataFrame:
    """Rates of one prediction by one attribute."""
    cells = pd.DataFrame(
        {
            "attribute_group": groups,
            "true_positives": outcome * likely,
            "false_positives": (1 - outcome) * likely,
            "false_negatives": outcome * (1 - likely),
            "true_negatives": (1 - outcome) * (1 - likely),
            "expected": chances,
            "variance": chances * (1 - chances),
        }
    )
    table = cells.groupby("attribute_group").sum().reset_index()
    table = table.assign(
        as_of=AS_OF, origin=AS_OF, target="lapses", thresholds="common", attribute="region"
    )
    found = prediction_rates(table, smallest_cell=smallest_cell, least_ratio=0.8)
    return found.set_index("attribute_group")


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_predictions_are_those_of_fairlearn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.choice(["a", "b", "c"], 900)
    chances = rng.random(900)
    outcome = (rng.random(900) < chances).astype(int)
    likely = (chances > np.where(groups == "a", 0.7, 0.4)).astype(int)
    found = judged(groups, outcome, likely, chances)
    pair = {"y_true": outcome, "y_pred": likely, "sensitive_features": groups}
    theirs = fairlearn.metrics.MetricFrame(
        metrics={
            "selection_rate": fairlearn.metrics.selection_rate,
            "true_positive_rate": fairlearn.metrics.true_positive_rate,
            "false_positive_rate": fairlearn.metrics.false_positive_rate,
        },
        **pair,
    ).by_group
    for rate in theirs:
        assert found[rate].to_dict() == pytest.approx(theirs[rate].to_dict())
    ranges = [np.ptp(found[rate]) for rate in ("true_positive_rate", "false_positive_rate")]
    opportunity = fairlearn.metrics.equal_opportunity_difference(**pair)
    assert ranges[0] == pytest.approx(opportunity)
    assert max(ranges) == pytest.approx(fairlearn.metrics.equalized_odds_difference(**pair))
    assert found.loc["a", "verdict"] == "found less often"
    assert set(found["calibration_verdict"]) == {"ok"}


def test_probabilities_that_are_too_high_in_one_group_are_named() -> None:
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b"], 2000)
    chances = rng.uniform(0.1, 0.5, 2000)
    outcome = (rng.random(2000) < np.where(groups == "a", chances / 2, chances)).astype(int)
    found = judged(groups, outcome, (chances > 0.3).astype(int), chances)
    assert found["calibration_verdict"].to_dict() == {"a": "comes about less often", "b": "ok"}


def test_a_group_with_few_in_any_part_is_withheld_with_another() -> None:
    groups = np.repeat(["few", "more", "most"], [70, 100, 200])
    outcome = np.concatenate([np.arange(size) % 2 for size in (70, 100, 200)])
    likely = np.concatenate(
        [np.arange(70) >= 64, np.arange(100) % 4 < 2, np.arange(200) % 4 < 2]
    ).astype(int)
    found = judged(groups, outcome, likely, np.full(370, 0.5), smallest_cell=10)
    assert (found["verdict"] == "too few").to_dict() == {"few": True, "more": True, "most": False}
    numbers = found.loc[["few", "more"]].select_dtypes("number")
    assert numbers.isna().all(axis=None)


def test_without_the_outcome_there_is_nothing_to_find() -> None:
    groups = np.repeat(["a", "b"], 20)
    found = judged(groups, np.zeros(40, int), np.zeros(40, int), np.full(40, 0.0))
    assert found["true_positive_rate"].isna().all()
    assert set(found["verdict"]) == {"nothing to compare"}
    assert set(found["calibration_verdict"]) == {"ok"}
    assert prediction_rates(
        judged(groups, np.zeros(40, int), np.zeros(40, int), np.full(40, 0.0))
        .reset_index()
        .iloc[:0],
        smallest_cell=1,
        least_ratio=0.8,
    ).empty


# --- Thresholds per group ---------------------------------------------------------------------


def unlike_cases(size: int = 4000) -> pd.DataFrame:
    """Group a has the outcome more often and higher scores; c is small."""
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b", "c"], size, p=[0.5, 0.49, 0.01])
    outcome = (rng.random(size) < np.where(groups == "a", 0.3, 0.15)).astype(int)
    scores = rng.normal(size=size) + 1.2 * outcome + 0.6 * (groups == "a")
    return pd.DataFrame(
        {
            "as_of": AS_OF,
            "score": scores,
            "probability": 1 / (1 + np.exp(-scores)),
            "threshold": 0.7,
            "outcome": outcome,
            "threshold_group": groups,
        }
    )


def likely(cases: pd.DataFrame, thresholds: pd.DataFrame) -> pd.Series:
    """As SQL applies them."""
    is_common = thresholds["threshold_group"].isna()
    (common,) = thresholds[is_common]["score"]
    own = thresholds[~is_common].set_index("threshold_group")["score"]
    return cases["score"] >= cases["threshold_group"].map(own).fillna(common)


def test_one_threshold_is_that_of_the_probability() -> None:
    cases = unlike_cases()
    found = likely(cases, fit_thresholds(cases))
    assert found.equals(cases["probability"] >= 0.7)


@pytest.mark.parametrize(
    ("constraint", "outcomes"),
    [("demographic_parity", (0, 1)), ("true_positive_rate_parity", (1,))],
)
def test_thresholds_per_group_make_the_share_alike(
    constraint: str, outcomes: tuple[int, ...]
) -> None:
    cases = unlike_cases()
    thresholds = fit_thresholds(cases, constraint=constraint, attribute="region")
    assert thresholds["threshold_group"].dropna().tolist() == ["a", "b"]
    used = cases[cases["outcome"].isin(outcomes) & (cases["threshold_group"] != "c")]
    before, after = (
        fairlearn.metrics.demographic_parity_difference(
            y_true=used["outcome"],
            y_pred=likely(used, chosen),
            sensitive_features=used["threshold_group"],
        )
        for chosen in (fit_thresholds(cases), thresholds)
    )
    assert before > 0.1
    assert after < 0.03
    shuffled = cases.sample(frac=1, random_state=2)
    again = fit_thresholds(shuffled, constraint=constraint, attribute="region")
    pd.testing.assert_frame_equal(again, thresholds)


def test_groups_too_small_for_a_threshold_keep_the_common_one() -> None:
    cases = unlike_cases(300)
    found = fit_thresholds(cases, constraint="demographic_parity", attribute="region")
    assert found["threshold_group"].isna().all()
    assert fit_thresholds(cases.iloc[:0]).empty
