"""Effects from aggregates: the same as those of other libraries, true to what was planted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tea_tasting
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats import proportion
from statsmodels.stats.multitest import multipletests

from customer_segmentation.experiments.effects import experiment_effects
from customer_segmentation.experiments.estimates import (
    Arm,
    comparisons,
    difference,
    holm,
    shrunk,
)
from demo_data.experiments import EXPERIMENTS, assigned_and_measured

Values = NDArray[np.float64]
SEEDS = 100
TWO_ARMS: dict[str, Any] = {
    "name": "test",
    "cells": [
        {"variant": "control", "share": 0.5, "levels": {}},
        {"variant": "treatment", "share": 0.5, "levels": {}},
    ],
    "control": "control",
    "factors": {},
    "metrics": ["spend"],
    "lower_is_better": [],
    "start": "2024-01-01",
    "end": "2024-01-31",
    "lift": 0.1,
}
FACTORS = {"subject": {"short": 0.5, "long": 0.5}, "price": {"high": 0.5, "low": 0.5}}
FOUR_CELLS = {
    **TWO_ARMS,
    "control": None,
    "factors": FACTORS,
    "cells": [
        {"variant": f"{one}+{two}", "share": 0.25, "levels": {"subject": one, "price": two}}
        for one in FACTORS["subject"]
        for two in FACTORS["price"]
    ],
}


def aggregate(variant: str, values: Values, before: Values | None = None) -> dict[str, Any]:
    """A row of int_marts__experiment_aggregates."""
    n = len(values)
    row: dict[str, Any] = {"variant": variant, "units": n, "customers": n, "customers_before": 0}
    row["events"] = float(values.sum()) if n and set(values) <= {0, 1} else None
    row |= dict.fromkeys(("mean", "variance", "mean_before", "variance_before", "covariance"))
    if n:
        row["mean"] = values.mean()
    if n > 1:
        row["variance"] = values.var(ddof=1)
    if before is not None:
        row["customers_before"] = n
        row["mean_before"], row["variance_before"] = before.mean(), before.var(ddof=1)
        row["covariance"] = np.cov(values, before)[0, 1]
    return row


def effects(
    arms: Mapping[str, Values],
    before: Mapping[str, Values] | None = None,
    plan: Mapping[str, Any] = TWO_ARMS,
    **others: Any,
) -> pd.DataFrame:
    """The effects of one metric over all customers."""
    rows = [aggregate(arm, values, (before or {}).get(arm)) for arm, values in arms.items()]
    return judged([{**row, **others} for row in rows], plan)


def judged(
    rows: list[dict[str, Any]], plan: Mapping[str, Any] = TWO_ARMS, smallest_cell: int = 10
) -> pd.DataFrame:
    common = {
        "as_of": pd.Timestamp("2024-02-01").date(),
        "experiment_id": plan["name"],
        "scheme": "all",
        "segment_key": "all",
        "metric": "spend",
        "span": "outcome",
        "is_measured": True,
        "plan": json.dumps(plan),
    }
    table = pd.DataFrame([{**common, **row} for row in rows])
    return experiment_effects(table, smallest_cell=smallest_cell)


def verdict(*arguments: Any, **others: Any) -> str:
    (words,) = effects(*arguments, **others)["verdict"]
    return str(words)


def pre_and_post(rng: np.random.Generator, n: int, effect: float) -> tuple[Values, Values]:
    before = rng.gamma(2, 20, n)
    return before, 0.8 * before + rng.gamma(2, 10, n) + effect


# --- The same as others ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_means_and_cuped_are_those_of_tea_tasting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, arms, befores = [], {}, {}
    for code, arm in enumerate(("control", "treatment")):
        befores[arm], arms[arm] = pre_and_post(rng, 300 + 100 * code, 2.0 * code)
        frames.append(pd.DataFrame({"variant": code, "y": arms[arm], "x": befores[arm]}))
    theirs = tea_tasting.Experiment(
        plain=tea_tasting.Mean("y"), cuped=tea_tasting.Mean("y", "x")
    ).analyze(pd.concat(frames), control=0)
    (ours,) = effects(arms, befores).to_dict("records")
    plain, cuped = theirs["plain"], theirs["cuped"]
    pairs = [
        (ours["effect"], plain.effect_size),
        (ours["effect_low"], plain.effect_size_ci_lower),
        (ours["effect_high"], plain.effect_size_ci_upper),
        (ours["p_value"], plain.pvalue),
        (ours["relative_effect"], plain.rel_effect_size),
        (ours["relative_low"], plain.rel_effect_size_ci_lower),
        (ours["relative_high"], plain.rel_effect_size_ci_upper),
        (ours["cuped_effect"], cuped.effect_size),
        (ours["cuped_low"], cuped.effect_size_ci_lower),
        (ours["cuped_high"], cuped.effect_size_ci_upper),
    ]
    for mine, other in pairs:
        assert mine == pytest.approx(other, rel=1e-9, abs=1e-12)


@examples(300)
@given(st.integers(20, 3000), st.integers(20, 3000), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_proportions_are_those_of_statsmodels(n: int, m: int, p: float, q: float) -> None:
    ones, control_ones = round(n * p), round(m * q)
    arms = {
        "b": Arm(n, n, ones / n, 0.1, ones),
        "a": Arm(m, m, control_ones / m, 0.1, control_ones),
    }
    found = difference(arms, {"b": 1.0, "a": -1.0})
    is_exact = min(ones, n - ones, control_ones, m - control_ones) < 10
    method = "newcomb" if is_exact else "wald"
    low, high = proportion.confint_proportions_2indep(
        ones, n, control_ones, m, method=method, compare="diff"
    )
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-12)
    if is_exact:
        table = [[ones, n - ones], [control_ones, m - control_ones]]
        assert found.p_value == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-9)
    else:
        theirs = proportion.test_proportions_2indep(
            ones, n, control_ones, m, method="wald", compare="diff", return_results=True
        )
        assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)


@examples(30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


# --- What was planted is found ---------------------------------------------------------------


def test_the_planted_effects_of_the_demo_lie_in_the_intervals() -> None:
    """In 93 of 100 seeds at least, of a 95% interval; for the alike groups in 7 at most not."""
    for name, planted in EXPERIMENTS.items():
        covered, alarms = {"conversion": 0, "spend": 0}, {"conversion": 0, "spend": 0}
        for seed in range(SEEDS):
            variant, *measured = assigned_and_measured(np.random.default_rng(seed), planted, 1500)
            for metric, values in zip(covered, measured, strict=True):
                arms = {"control": values[variant == 0], "treatment": values[variant == 1]}
                (row,) = effects(arms).to_dict("records")
                truth = getattr(planted, metric)
                covered[metric] += row["effect_low"] <= truth <= row["effect_high"]
                alarms[metric] += row["p_value"] < 0.05
        assert min(covered.values()) >= 93, (name, covered)
        if name == "reminder_aa":
            assert max(alarms.values()) <= 7, alarms


def test_cuped_narrows_the_interval_where_the_days_before_correlate_and_never_biases_it() -> None:
    found, plain, reductions, useless, covered = [], [], [], [], 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        befores, arms = {}, {}
        for arm, effect in (("control", 0.0), ("treatment", 3.0)):
            befores[arm], arms[arm] = pre_and_post(rng, 400, effect)
        (row,) = effects(arms, befores).to_dict("records")
        found.append(row["cuped_effect"])
        plain.append(row["effect"])
        reductions.append(row["variance_reduction"])
        covered += row["cuped_low"] <= 3 <= row["cuped_high"]
        assert row["cuped_high"] - row["cuped_low"] < row["effect_high"] - row["effect_low"]
        noise = {arm: rng.normal(size=400) for arm in arms}
        useless.append(effects(arms, noise)["variance_reduction"].iloc[0])
    # By the correlation of both values: .8**2 * 800 / (.8**2 * 800 + 200).
    assert np.mean(reductions) == pytest.approx(0.719, abs=0.02)
    assert covered >= 93
    standard_error = np.std(found, ddof=1) / math.sqrt(SEEDS)
    assert abs(np.mean(found) - 3) < 3 * standard_error
    assert np.std(found) < 0.7 * np.std(plain)
    assert abs(np.mean(useless)) < 0.01


def four_cells(rng: np.random.Generator, n: int, interaction: float) -> dict[str, Values]:
    """A long subject is worth 2, a low price 5, both together so much more."""
    return {
        cell["variant"]: rng.normal(
            50
            + 2 * (cell["levels"]["subject"] == "long")
            + 5 * (cell["levels"]["price"] == "low")
            + interaction * (cell["variant"] == "long+low"),
            10,
            n,
        )
        for cell in FOUR_CELLS["cells"]
    }


def test_a_factorial_design_with_an_interaction_is_recovered() -> None:
    """The main effects are averages over the other factor, so half the interaction is in each."""
    truth = {"subject: long": 4, "price: low": 7, "subject: long x price: low": 4}
    planned, covered, seeds = comparisons(FOUR_CELLS), dict.fromkeys(truth, 0), 1000
    for seed in range(seeds):
        cells = four_cells(np.random.default_rng(seed), 300, 4.0)
        arms = {
            name: Arm(300, 300, float(values.mean()), float(values.var(ddof=1)))
            for name, values in cells.items()
        }
        for comparison in planned:
            found = difference(arms, comparison.weights)
            covered[comparison.name] += found.low <= truth[comparison.name] <= found.high
    assert min(covered.values()) >= 0.93 * seeds, covered
    kinds = {comparison.name: comparison.kind for comparison in planned}
    assert kinds == dict(zip(truth, ["factor", "factor", "interaction"], strict=True))


def test_a_main_effect_is_the_coefficient_of_a_linear_model() -> None:
    arms = four_cells(np.random.default_rng(1), 200, 4.0)
    signs = {"short": -1, "long": 1, "high": -1, "low": 1}
    rows = [
        (
            1,
            *(signs[level] for level in name.split("+")),
            math.prod(map(signs.get, name.split("+"))),
        )  # type: ignore[arg-type]
        for name, values in arms.items()
        for _ in values
    ]
    solved = np.linalg.lstsq(np.array(rows), np.concatenate(list(arms.values())), rcond=None)[0]
    found = effects(arms, plan=FOUR_CELLS).set_index("comparison")["effect"]
    assert found["subject: long"] == pytest.approx(2 * solved[1])
    assert found["price: low"] == pytest.approx(2 * solved[2])
    assert found["subject: long x price: low"] == pytest.approx(4 * solved[3])


def test_a_planted_mismatch_stops_the_verdict() -> None:
    rng = np.random.default_rng(1)
    arms = {"control": rng.normal(0, 1, 1000), "treatment": rng.normal(5, 1, 1250)}
    assert verdict(arms).startswith("not to be judged: mismatch, the variants do not have their")
    planned = [
        {**cell, "share": share} for cell, share in zip(TWO_ARMS["cells"], (4, 5), strict=True)
    ]
    plan = {**TWO_ARMS, "cells": [{**cell, "share": cell["share"] / 9} for cell in planned]}
    assert verdict(arms, plan=plan).startswith("works: +")


# --- Verdicts --------------------------------------------------------------------------------


def shares(ones: int, n: int) -> Values:
    return np.repeat([1.0, 0.0], [ones, n - ones])


@pytest.mark.parametrize(
    ("ones", "control_ones", "words"),
    [
        (277, 200, "works: +7.7 points, 95% 4.0 to 11.4"),
        (150, 200, "harms: -5.0 points, 95% -8.3 to -1.7"),
        (205, 200, "no effect seen; effects of 4.1 points or more are ruled out"),
    ],
)
def test_the_verdict_is_in_words(ones: int, control_ones: int, words: str) -> None:
    arms = {"control": shares(control_ones, 1000), "treatment": shares(ones, 1000)}
    assert verdict(arms) == words


def spread(mean: float, half: float, n: int = 1000) -> Values:
    """Values whose mean has about this half of a 95% interval against the same of another arm."""
    deviation = half * math.sqrt(n / 2) / 1.96
    return mean + deviation * np.resize([1.0, -1.0], n)


@pytest.mark.parametrize(
    ("mean", "half", "words"),
    [
        (0.0003, 0.0008, "no effect seen; effects of 0.0012 or more are ruled out"),
        (0.0013, 0.0011, "works: +0.0013, 95% 0.0002 to 0.0024"),
        (0.0013, 0.00129, "works: +0.001300, 95% 0.000009 to 0.002591"),
        (-2.5, 0.2, "harms: -2.50, 95% -2.70 to -2.30"),
        (1234.5, 400, "works: +1,234.50, 95% 834.06 to 1,634.94"),
    ],
)
def test_small_effects_have_the_digits_that_tell_them_from_0(
    mean: float, half: float, words: str
) -> None:
    assert verdict({"control": spread(0, half), "treatment": spread(mean, half)}) == words


def test_where_the_exact_test_and_the_interval_disagree_nothing_is_sure() -> None:
    found = set()
    for n, ones, control_ones in product((20, 40, 80), range(10), range(10)):
        arms = {"control": shares(control_ones, n), "treatment": shares(ones, n)}
        (row,) = effects(arms).to_dict("records")
        if pd.isna(row["effect"]):
            continue
        is_apart = row["effect_low"] > 0 or row["effect_high"] < 0
        is_sure = row["verdict"].startswith(("works", "harms", "no effect seen"))
        assert is_sure == (is_apart == (row["p_value"] < 0.05)), row
        found.add((is_apart, is_sure))
        if not is_sure:
            p_value = f"{row['p_value']:.6f}"
            assert row["verdict"].endswith(f" and p {p_value} does not agree with this interval")
    assert {(True, True), (True, False), (False, True)} <= found


@examples(300)
@given(st.floats(-5, 5), st.floats(-9, 3), st.booleans())
def test_a_verdict_agrees_with_its_figures(ratio: float, size: float, is_share: bool) -> None:
    """The bounds of a sure effect are on its side of 0; what is ruled out is beyond both bounds."""
    if is_share:
        ones = round(1000 + 40 * ratio)
        arms = {"control": shares(1000, 2000), "treatment": shares(ones, 2000)}
    else:
        half = 10.0**size
        arms = {"control": spread(0, half), "treatment": spread(ratio * half, half)}
    (row,) = effects(arms).to_dict("records")
    words = row["verdict"]
    scale = 100 if is_share else 1
    most = scale * max(abs(row["effect_low"]), abs(row["effect_high"]))
    numbers = [float(number.replace(",", "")) for number in re.findall(r"[-+]?[\d,]*\.\d+", words)]
    if words.startswith("no effect seen"):
        (ruled_out,) = numbers
        assert most * (1 - 1e-9) <= ruled_out <= most * 1.2 + 0.1 * is_share
    else:
        assert words.startswith(("works", "harms"))
        assert len({number > 0 for number in numbers}) == 1
        assert 0 not in numbers


def test_less_may_be_better() -> None:
    arms = {"control": shares(200, 1000), "treatment": shares(150, 1000)}
    assert verdict(arms, plan={**TWO_ARMS, "lower_is_better": ["spend"]}).startswith("works: -5.0")


def test_what_chance_may_give_among_several_is_not_sure() -> None:
    """Three variants of which one differs by p .03; Holm makes it .06."""
    cells = [{"variant": name, "share": 1 / 3, "levels": {}} for name in ("control", "b", "c")]
    arms = {"control": shares(200, 1000), "b": shares(240, 1000), "c": shares(205, 1000)}
    table = effects(arms, plan={**TWO_ARMS, "cells": cells}).set_index("comparison")
    assert table.loc["b", "p_value"] < 0.05 < table.loc["b", "p_corrected"]
    assert str(table.loc["b", "verdict"]).startswith("not sure: +4.0 points")
    assert str(table.loc["b", "verdict"]).endswith("chance may give this in one of 2 comparisons")


def test_a_running_experiment_is_not_judged_and_a_planned_one_has_no_customers() -> None:
    arms = {"control": shares(200, 1000), "treatment": shares(300, 1000)}
    running = effects(arms, plan={**TWO_ARMS, "end": "2024-02-01"}).iloc[0]
    assert running["status"] == "running"
    assert running["verdict"].startswith("running until 2024-02-01: +10.0 points, 95%")
    planned = effects(
        dict.fromkeys(arms, np.array([])), plan={**TWO_ARMS, "start": "2024-03-01"}
    ).iloc[0]
    assert planned["status"] == "planned"
    assert planned["verdict"] == "not to be judged: no customers assigned"


NOTHING, SOME = np.array([]), np.arange(30.0)
BAD_DATA: dict[str, tuple[dict[str, Values], dict[str, Any], str]] = {
    "no units": ({"control": NOTHING, "treatment": NOTHING}, {}, "no customers assigned"),
    "no units in one": ({"control": SOME, "treatment": NOTHING}, {}, "no customers in treatment"),
    "no control": ({"control": NOTHING, "treatment": SOME}, {}, "no customers in control"),
    "no outcomes": ({"control": NOTHING, "treatment": NOTHING}, {"units": 30}, "no outcomes in"),
    "all outcomes equal": (dict.fromkeys(("control", "treatment"), SOME * 0 + 7), {}, "are equal"),
    "all zero": (dict.fromkeys(("control", "treatment"), SOME * 0), {}, "are equal"),
    "equal within": ({"control": SOME * 0 + 2, "treatment": SOME * 0 + 7}, {}, "do not vary"),
    "too few": ({"control": SOME[:9], "treatment": SOME}, {}, "fewer than 10 customers"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_has_a_verdict_and_no_numbers(case: str) -> None:
    arms, others, words = BAD_DATA[case]
    (row,) = effects(arms, **others).to_dict("records")
    assert words in row["verdict"]
    assert "\n" not in row["verdict"]
    assert all(pd.isna(row[name]) for name in ("effect", "p_value", "p_corrected", "customers"))


def test_few_events_of_four_cells_are_not_judged() -> None:
    arms = {cell["variant"]: shares(5, 200) for cell in FOUR_CELLS["cells"]}
    words = set(effects(arms, plan=FOUR_CELLS)["verdict"])
    assert words == {"not to be judged: fewer than 10 events in a cell"}


def test_one_customer_in_a_variant_is_not_judged_even_where_small_cells_may_be_shown() -> None:
    rows = [aggregate("control", SOME[:1]), aggregate("treatment", SOME[:1])]
    (row,) = judged(rows, smallest_cell=1).to_dict("records")
    assert row["verdict"] == "not to be judged: fewer than 2 customers in a variant"


_SIZES = st.integers(0, 10**7)
_NUMBERS = st.floats(-1e9, 1e9)
_SPREADS = st.one_of(st.just(0.0), st.floats(1e-12, 1e18))


@st.composite
def any_aggregate(draw: st.DrawFn) -> dict[str, Any]:
    """A row that data may give, however odd."""
    customers = draw(_SIZES)
    row: dict[str, Any] = {"units": customers + draw(st.sampled_from([0, 0, 5]))}
    row["customers"], row["events"], row["customers_before"] = customers, None, 0
    row |= dict.fromkeys(("mean", "variance", "mean_before", "variance_before", "covariance"))
    if customers and draw(st.booleans()):
        ones = draw(st.integers(0, customers))
        share = ones / customers
        row |= {"events": float(ones), "mean": share, "variance": share * (1 - share)}
    elif customers:
        row |= {"mean": draw(_NUMBERS), "variance": draw(_SPREADS)}
        if draw(st.booleans()):
            row |= {"mean_before": draw(_NUMBERS), "variance_before": draw(_SPREADS)}
            correlation = draw(st.floats(-1, 1))
            row["covariance"] = correlation * math.sqrt(row["variance"] * row["variance_before"])
            row["customers_before"] = customers
    if customers == 1:
        row["variance"] = None
    return row


@examples(200)
@given(st.lists(any_aggregate(), min_size=4, max_size=4), st.integers(1, 20), st.booleans())
def test_any_aggregates_have_a_verdict_and_ordered_intervals(
    rows: list[dict[str, Any]], smallest_cell: int, is_factorial: bool
) -> None:
    plan = FOUR_CELLS if is_factorial else TWO_ARMS
    named = zip(plan["cells"], rows, strict=False)
    table = judged(
        [{**row, "variant": cell["variant"]} for cell, row in named], plan, smallest_cell
    )
    for row in table.to_dict("records"):
        assert row["verdict"]
        assert "\n" not in row["verdict"]
        if pd.notna(row["effect"]):
            assert row["effect_low"] <= row["effect"] <= row["effect_high"]
            assert 0 <= row["p_value"] <= row["p_corrected"] <= 1
            assert row["customers"] >= smallest_cell <= row["control_customers"]
        if pd.notna(row["relative_effect"]):
            assert row["relative_low"] <= row["relative_effect"] <= row["relative_high"]


# --- Segments --------------------------------------------------------------------------------


def in_segments(sizes: Mapping[str, int], scheme: str = "rfm", effect: float = 0) -> pd.DataFrame:
    """Segments with so many customers in each variant, and all of them together."""
    rng = np.random.default_rng(3)
    rows, together = [], {"control": NOTHING, "treatment": NOTHING}
    for segment, size in sizes.items():
        for arm in together:
            values = rng.normal(effect * (arm == "treatment"), 1, size)
            together[arm] = np.append(together[arm], values)
            key = {"scheme": scheme, "segment_key": f"{scheme}:{segment}"}
            rows.append({**aggregate(arm, values), **key})
    rows += [aggregate(arm, values) for arm, values in together.items()]
    return judged(rows).set_index("segment_key")


def test_a_withheld_segment_cannot_be_computed_from_the_others() -> None:
    table = in_segments({"a": 5, "b": 40, "c": 20, "d": 60})
    withheld = table[table["verdict"].str.startswith("withheld")]
    assert list(withheld.index) == ["rfm:a", "rfm:c"]
    assert withheld.drop(columns=["mismatch_p"]).select_dtypes("number").isna().all(axis=None)
    both = in_segments({"a": 5, "b": 6, "c": 20, "d": 60})
    assert list(both.index[both["verdict"].str.startswith("withheld")]) == ["rfm:a", "rfm:b"]
    both_too_few = in_segments({"a": 2, "b": 3, "c": 20, "d": 60})
    shown = both_too_few[~both_too_few["verdict"].str.startswith("withheld")]
    assert list(shown.index) == ["all", "rfm:d"]
    overlapping = in_segments({"a": 5, "b": 40, "c": 20}, scheme="rule")
    assert list(overlapping.index[overlapping["verdict"].str.startswith("withheld")]) == ["rule:a"]


@examples(200)
@given(
    st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=1, max_size=8),
    st.integers(1, 15),
    st.integers(0, 3),
)
def test_in_each_arm_what_is_withheld_adds_up_to_many(
    sizes: list[tuple[int, ...]], smallest_cell: int, unmeasured: int
) -> None:
    """Of measured customers, over at least two segments; or all there are of the arm."""
    variants = [cell["variant"] for cell in FOUR_CELLS["cells"]]
    rows = []
    measured: dict[str, dict[str, int]] = {variant: {} for variant in variants}
    for number, of_segment in enumerate([*sizes, [sum(arm) for arm in zip(*sizes, strict=True)]]):
        key = f"rfm:{number}" if number < len(sizes) else "all"
        for variant, size in zip(variants, of_segment, strict=True):
            row = aggregate(variant, np.arange(size, dtype=float))
            place = {"scheme": key.split(":")[0], "segment_key": key}
            rows.append({**row, "units": size + unmeasured, **place})
            if key != "all":
                measured[variant][key] = size
    table = judged(rows, FOUR_CELLS, smallest_cell)
    words = table[table["scheme"] == "rfm"].groupby("segment_key")["verdict"].first()
    hidden = set(words.index[words.str.startswith("withheld")])
    has_small = False
    for customers in measured.values():
        small = {key for key, size in customers.items() if 0 < size < smallest_cell}
        has_small |= bool(small)
        assert small <= hidden
        gone = [customers[key] for key in hidden if customers[key]]
        is_all = len(gone) == sum(size > 0 for size in customers.values())
        assert is_all or not gone or (len(gone) >= 2 and sum(gone) >= smallest_cell)
    assert has_small or not hidden


def test_segments_are_corrected_by_benjamini_and_hochberg_apart_from_the_whole() -> None:
    table = in_segments(dict.fromkeys("abcdefgh", 50), effect=0.3)
    segments = table.drop(index="all")
    expected = multipletests(segments["p_value"], method="fdr_bh")[1]
    assert list(segments["p_corrected"]) == pytest.approx(list(expected))
    assert table.loc["all", "p_corrected"] == table.loc["all", "p_value"]


def test_small_segments_do_not_shout() -> None:
    """Shrunk effects keep their order of trust: a small segment moves further to the mean."""
    assert shrunk([2.0, 0.0, 1.0], [10.0, 10.0, 10.0]) == pytest.approx([1.0, 1.0, 1.0])
    far = shrunk([9.0, -9.0, 0.0, 0.5], [3.0, 0.1, 0.1, 0.1])
    assert 0 < far[0] < 9
    assert far[1] == pytest.approx(-9, abs=0.1)
    assert shrunk([3.0], [1.0]) == [3.0]


@examples(300)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 100)), min_size=2, max_size=20))
def test_a_shrunk_effect_lies_between_the_effect_and_the_mean(
    segments: list[tuple[float, float]],
) -> None:
    found = [effect for effect, _ in segments]
    pulled = shrunk(found, [error for _, error in segments])
    slack = 1e-6 * (1 + max(map(abs, found)))
    assert min(found) - slack <= min(pulled) <= max(pulled) <= max(found) + slack
    assert max(pulled) - min(pulled) <= max(found) - min(found) + slack


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    rows = [
        {**aggregate(arm, rng.normal(0, 1, 50)), "scheme": "rfm", "segment_key": f"rfm:{segment}"}
        for segment in "abcd"
        for arm in ("control", "treatment")
    ]
    rows += [aggregate(arm, rng.normal(0, 1, 200)) for arm in ("control", "treatment")]
    pd.testing.assert_frame_equal(judged(rows), judged(rows[::-1]))


def test_no_experiment_gives_the_columns() -> None:
    columns = [*judged([aggregate("control", SOME), aggregate("treatment", SOME)])]
    nothing = pd.DataFrame({"experiment_id": []})
    assert list(experiment_effects(nothing, smallest_cell=10)) == columns
