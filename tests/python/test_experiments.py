"""Experiments as they are declared, planned and assigned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from rule_grammar_project import DEFAULTS, ROOT, GrammarProject
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_effectsize

from customer_segmentation.cli import main
from customer_segmentation.experiments.plan import PlanError, plan_experiment, plan_text
from customer_segmentation.experiments.power import customers_per_variant, detectable_effect

GOOD: dict[str, Any] = {
    "name": "reminder",
    "hypothesis": "A reminder brings customers back.",
    "variants": {"control": 0.5, "treatment": 0.5},
    "primary_metric": "conversion",
    "start": "2024-03-01",
    "end": "2024-03-31",
}
FACTORS = {"subject": {"short": 0.5, "long": 0.5}, "price": {"high": 0.25, "low": 0.75}}
LAYER = {"name": "email", "from": 0, "below": 0.5}
SCHEMA = Draft7Validator(
    json.loads((ROOT / "docs" / "schema" / "experiments.json").read_text(encoding="utf-8"))
)
UNITS = 20_000

# What is changed (null: left out), whether the shape alone shows it, words of the message.
BAD: dict[str, tuple[dict[str, Any], bool, list[str]]] = {
    "no hypothesis": ({"hypothesis": None}, True, ["at [0].hypothesis", "found nothing"]),
    "unknown key": ({"metric": "orders"}, True, ["at [0].metric", "unknown key"]),
    "no variants": ({"variants": None}, True, ["neither variants nor factors"]),
    "both": ({"factors": FACTORS}, True, ["variants and factors", "either variants or factors"]),
    "one variant": ({"variants": {"control": 1}}, True, ["at variants", "at least two"]),
    "shares that do not add up": (
        {"variants": {"control": 0.5, "treatment": 0.4}},
        False,
        ["at variants", "add up to 0.9", "add up to 1"],
    ),
    "a share of 0": ({"variants": {"control": 0, "b": 1}}, True, ["variants.control", "found 0"]),
    "no control": (
        {"variants": {"a": 0.5, "b": 0.5}},
        False,
        ["at control", "found 'control'", "one of the variants: a, b"],
    ),
    "a control that is no variant": ({"control": "c"}, False, ["found 'c'", "control, treatment"]),
    "a variant with a plus": (
        {"variants": {"control": 0.5, "a+b": 0.5}},
        True,
        ["at variants", "'a+b'"],
    ),
    "one factor": (
        {"variants": None, "factors": {"subject": FACTORS["subject"]}},
        True,
        ["at factors", "one factor", "two or more"],
    ),
    "control beside factors": (
        {"variants": None, "factors": FACTORS, "control": "short"},
        True,
        ["at factors", "control beside it"],
    ),
    "levels that do not add up": (
        {"variants": None, "factors": {**FACTORS, "day": {"a": 0.5, "b": 0.6}}},
        False,
        ["at factors.day", "add up to 1.1"],
    ),
    "no date": ({"start": "2024-02-30"}, False, ["at [0].start", "2024-02-30", "calendar"]),
    "end before start": ({"end": "2024-02-01"}, False, ["at end", "2024-03-01", "later"]),
    "a metric by month": (
        {"guardrail_metrics": ["monthly_revenue"]},
        False,
        ["at guardrail_metrics", "'monthly_revenue'", "neither of topics nor by month"],
    ),
    "less of another metric": (
        {"lower_is_better": ["conversions"]},
        False,
        ["at lower_is_better", "Did you mean conversion"],
    ),
    "unknown scheme": ({"segment": "rfn:loyal"}, False, ["at segment", "Did you mean rfm"]),
    "no scheme": ({"segment": "loyal"}, False, ["at segment", "such as 'rfm:champions'"]),
    "unknown segment": ({"segment": "rfm:loyall"}, False, ["Did you mean loyal"]),
    "unknown rule segment": (
        {"segment": "rule:cart_abandoner"},
        False,
        ["Did you mean cart_abandoners"],
    ),
    "an empty layer": ({"layer": {**LAYER, "from": 0.5}}, False, ["at layer", "less than below"]),
    "no days before": ({"pre_period_days": 0}, True, ["pre_period_days", "at least 1"]),
    "a negative lift": ({"lift": -0.1}, True, ["lift", "-0.1"]),
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not None}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_experiment_is_refused_in_one_line(project: GrammarProject, case: str) -> None:
    changes, is_seen, words = BAD[case]
    experiments = [changed(changes)]
    message = project.complaint("{% do experiments() %}", {**DEFAULTS, "experiments": experiments})
    said = [line for line in message.splitlines() if ": found " in line]
    assert len(said) == 1, message
    assert not [word for word in words if word not in said[0]], said
    assert SCHEMA.is_valid(experiments) is not is_seen


@pytest.mark.parametrize("levels", ["off: .5, on: .5", "1: .5, 2: .5"])
@pytest.mark.parametrize("place", ["variants", "factors.banner"])
def test_names_that_yaml_does_not_read_as_text_are_refused_in_one_line(
    project: GrammarProject, levels: str, place: str
) -> None:
    cells = yaml.safe_load(f"{{{levels}}}")
    changes = {"variants": cells}
    if place != "variants":
        changes = {"variants": None, "factors": {"banner": cells, "price": FACTORS["price"]}}
    variables = {**DEFAULTS, "experiments": [changed(changes)]}
    message = project.complaint("{% do experiments() %}", variables)
    (said,) = [line for line in message.splitlines() if ": found " in line]
    assert f"at {place}: found " in said
    assert "Allowed: a name in quotes, since YAML reads this as a number" in said


def test_names_and_customers_of_a_layer_belong_to_one_experiment(project: GrammarProject) -> None:
    first = changed({"layer": LAYER})
    second = {**first, "name": "other"}
    for experiments, words in {
        "a name of its own": [first, {**first}],
        "customers of experiment 'reminder', which runs at the same time": [first, second],
    }.items():
        message = project.complaint("{% do experiments() %}", {**DEFAULTS, "experiments": words})
        assert experiments in message
    for change in (
        {"layer": {**LAYER, "from": 0.5, "below": 1}},
        {"layer": {**LAYER, "name": "push"}},
        {"start": "2024-04-01", "end": "2024-04-30"},
    ):
        both = [first, {**second, **change}]
        assert len(project.value("experiments()", {**DEFAULTS, "experiments": both})) == 2


def test_a_good_experiment_passes(project: GrammarProject) -> None:
    full = {
        "segment": "rule:cart_abandoners",
        "guardrail_metrics": ["revenue", "orders", "revenue"],
        "lower_is_better": ["orders"],
        "pre_period_days": 14,
        "lift": 0.1,
        "layer": LAYER,
    }
    factorial = changed({"name": "factorial", "variants": None, "factors": FACTORS})
    experiments = [changed(full), factorial]
    SCHEMA.validate(experiments)
    one, two = project.value("experiments()", {**DEFAULTS, "experiments": experiments})
    assert one["metrics"] == ["conversion", "revenue", "orders"]
    assert {cell["variant"]: cell["share"] for cell in two["cells"]} == pytest.approx(
        {"short+high": 0.125, "short+low": 0.375, "long+high": 0.125, "long+low": 0.375}
    )
    assert two["cells"][3]["levels"] == {"subject": "long", "price": "low"}


# --- Assignment ------------------------------------------------------------------------------


def drawn(project: GrammarProject, expressions: dict[str, str], **variables: Any) -> Any:
    """SQL expressions over the ids of many customers, by the macros."""
    columns = ", ".join(f"{{{{ {macro} }}}} as {name}" for name, macro in expressions.items())
    query = f"select unit, {columns} from (select 'c' || range as unit from range({UNITS}))"
    rendered = project.render(query, {**DEFAULTS, **variables})
    return duckdb.sql(rendered).df().set_index("unit")


def is_likely(counts: Any, shares: list[float]) -> bool:
    expected = [share * sum(counts) for share in shares]
    return bool(stats.chisquare(counts, expected).pvalue > 0.0001)


@pytest.mark.parametrize(
    "shares",
    [{"control": 0.5, "treatment": 0.5}, {"a": 0.7, "b": 0.2, "c": 0.1}, {"a": 0.01, "b": 0.99}],
)
def test_variants_have_their_shares(project: GrammarProject, shares: dict[str, float]) -> None:
    found = drawn(project, {"v": f"assign_variant('unit', 'reminder', {json.dumps(shares)})"})
    counts = found["v"].value_counts()
    assert is_likely([counts[name] for name in shares], list(shares.values()))
    again = drawn(project, {"v": f"assign_variant('unit', 'reminder', {json.dumps(shares)})"})
    assert found.equals(again)


def test_experiments_factors_layers_and_the_holdout_are_independent(
    project: GrammarProject,
) -> None:
    halves = json.dumps({"a": 0.5, "b": 0.5})
    factorial = changed({"variants": None, "factors": {**FACTORS, "price": {"x": 0.5, "y": 0.5}}})
    found = drawn(
        project,
        {
            "one": f"assign_variant('unit', 'one', {halves})",
            "two": f"assign_variant('unit', 'two', {halves})",
            "cell": "assign_cell('unit', experiments()[0])",
            "layer": "is_in_layer('unit', {'name': 'email', 'from': 0, 'below': 0.5})",
            "rest": "is_in_layer('unit', {'name': 'email', 'from': 0.5, 'below': 1})",
            "other": "is_in_layer('unit', {'name': 'push', 'from': 0, 'below': 0.5})",
            "held": "is_held_out('unit')",
        },
        experiments=[factorial],
        holdout_share=0.5,
    )
    assert (found["layer"] != found["rest"]).all()
    assert set(found["cell"]) == {"short+x", "short+y", "long+x", "long+y"}
    halved = found.drop(columns=["rest", "cell"]).assign(
        subject=found["cell"].str.startswith("long"), price=found["cell"].str.endswith("y")
    )
    for number, one in enumerate(halved):
        for other in list(halved)[number + 1 :]:
            counts = halved.groupby([one, other]).size()
            assert len(counts) == 4
            assert is_likely(list(counts), [0.25] * 4), (one, other)


def test_a_larger_holdout_keeps_who_was_in_a_smaller_one(project: GrammarProject) -> None:
    held = {
        share: drawn(project, {"held": "is_held_out('unit')"}, holdout_share=share)["held"]
        for share in (0, 0.05, 0.2)
    }
    assert not held[0].any()
    assert held[0.2][held[0.05]].all()
    for share in (0.05, 0.2):
        counts = [held[share].sum(), (~held[share]).sum()]
        assert is_likely(counts, [share, 1 - share])


# --- Plans -----------------------------------------------------------------------------------


def test_a_tenth_more_from_ten_percent_needs_14744_customers_per_variant() -> None:
    assert customers_per_variant(0.10, 0.01, deviation=None, variants=2, power=0.8) == 14_744


@examples(100)
@given(st.floats(0.02, 0.6), st.floats(0.05, 0.5), st.integers(2, 5), st.floats(0.6, 0.99))
def test_sizes_are_those_of_statsmodels(p: float, lift: float, variants: int, power: float) -> None:
    level = 0.05 / (variants - 1)
    solver = NormalIndPower()
    for deviation, size in (
        (None, proportion_effectsize(p * (1 + lift), p)),
        (0.7, p * lift / 0.7),
    ):
        found = customers_per_variant(
            p, p * lift, deviation=deviation, variants=variants, power=power
        )
        # Theirs is a root found by search, and ours a whole number.
        theirs = solver.solve_power(size, power=power, alpha=level)
        assert found == pytest.approx(theirs, rel=1e-4, abs=1)
        detected = detectable_effect(p, found, deviation=deviation, variants=variants, power=power)
        assert detected == pytest.approx(p * lift, rel=0.03)


def test_too_few_customers_detect_nothing() -> None:
    few = {"deviation": None, "variants": 2, "power": 0.8}
    assert detectable_effect(0.9, 5, **few) is None
    assert detectable_effect(0.5, 1, **few) is None


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A segment of 400, of whom 300 may be contacted; 14 of these entered later, in 31 days."""
    path = tmp_path / "segments.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("""
            create table segments as
            select * from (values ('rule:many'), ('rule:none')) as segments (segment_key);
            create table customers as
            select 'c' || n as customer_id, n < 300 as may_be_contacted from range(400) as t (n);
            create table segment_memberships as
            select customer_id, 'rule:many' as segment_key from customers;
            create table customer_features as
            select customer_id, 20.0 + (row_number() over (order by customer_id)) % 3 as revenue,
                7.5 as same, 'text' as top_category
            from customers;
            -- All were members on the first day; of the 16 who entered later, two withdrew.
            create table segment_changes as
            select customer_id, 'rule:many' as segment_key, date '2024-01-01' as changed_on,
                'entered' as change
            from customers
            union all
            select 'c' || n, 'rule:many', date '2024-01-10', 'entered'
            from range(286, 302) as t (n);
            create table segment_kpis as
            select *, period = date '2024-01-01' as is_last_whole
            from (
                values
                    ('rule:many', date '2024-01-01', 31, .1, .02),
                    ('rule:none', date '2024-01-01', 31, null, null),
                    ('rule:many', date '2024-02-01', 0, null, null)
            ) as kpis (segment_key, period, days, conversion, repeat_rate)
        """)
    return path


SIZES: dict[str, Any] = {"lift": 0.1, "variants": 2, "power": 0.8}


def test_a_plan_has_the_size_the_segment_and_the_days(published: Path) -> None:
    plan = plan_experiment(published, "rule:many", "conversion", baseline="auto", **SIZES)
    assert (plan.baseline, plan.per_variant, plan.deviation) == (0.1, 14_744, None)
    assert (plan.members, plan.contactable) == (400, 300)
    assert plan.entries_per_day is not None
    assert plan.entries_per_day * 31 == pytest.approx(14)
    assert plan.days == 64_631
    words = plan_text(plan, "rule:many", "conversion", **SIZES)
    assert words.splitlines()[1:3] == [
        "Needed: 14,744 customers in each of 2 variants, 29,488 in all, to find it with a power of "
        "80%.",
        "The segment has 400 members, 300 of whom may be contacted; 0.45 of these enter a day. "
        "It has enough in 64,631 days.",
    ]
    assert words.startswith("rule:many, conversion: from 10.0% (its members of 2024-01-01, in 31")
    means = plan_experiment(published, "rule:many", "revenue", baseline="auto", **SIZES)
    assert means.deviation == pytest.approx(0.817, abs=0.01)
    assert means.days == 0
    assert "It has enough now." in plan_text(means, "rule:many", "revenue", **SIZES)
    given_one = plan_experiment(published, "rule:many", "conversion", baseline=".2", **SIZES)
    assert (given_one.baseline, given_one.source) == (0.2, "given")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segment": "rule:man"}, "no segment 'rule:man'. Did you mean rule:many"),
        ({"metric": "conversions"}, "no metric 'conversions'. Did you mean conversion"),
        ({"metric": "top_category"}, "no metric 'top_category'"),
        ({"metric": "same"}, "don't differ in same"),
        ({"segment": "rule:none"}, "conversion of rule:none is not known. Expected a BASELINE"),
        ({"baseline": "ten"}, "BASELINE is 'ten'. Expected auto or a number"),
        ({"baseline": "nan"}, "BASELINE is 'nan'. Expected auto or a number"),
        ({"metric": "revenue", "baseline": "inf"}, "BASELINE is 'inf'. Expected auto or a number"),
        ({"baseline": "0"}, "baseline of conversion is 0. Expected a BASELINE above 0"),
        ({"baseline": ".95"}, "leads to 104.5%. Expected a share"),
        ({"lift": 0.0}, "LIFT is 0.0"),
        ({"variants": 1}, "VARIANTS is 1. Expected at least 2"),
        ({"power": 1.0}, "POWER is 1.0"),
    ],
)
def test_what_cannot_be_planned_is_said_in_a_line(
    published: Path, changes: dict[str, Any], words: str
) -> None:
    arguments = {"segment": "rule:many", "metric": "conversion", "baseline": "auto", **SIZES}
    arguments |= changes
    segment, metric = arguments.pop("segment"), arguments.pop("metric")
    with pytest.raises(PlanError) as error:
        plan_experiment(published, segment, metric, **arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_prints_the_plan(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan-experiment", "rule:many", "conversion", "--published", str(published)]
    main([*command, "--variants", "3"])
    assert "in each of 3 variants" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*command, "--variants", "1"])
    assert "error: VARIANTS is 1" in capsys.readouterr().err
