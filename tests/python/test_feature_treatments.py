"""Missing values and outliers: the two models against numpy, pandas and scikit-learn."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import ROOT, GrammarProject
from sklearn.datasets import load_iris
from sklearn.impute import SimpleImputer

MODELS = ["int_features__treatments", "int_features__treated"]
CLUSTERS = ["int_segmentation__cluster_sample", "int_segmentation__clusters"]
FITTED, LATER = date(2024, 1, 1), date(2024, 2, 1)
# Sums of orders are features of buyers, sums of events of anybody.
METRICS = {
    name: {"table": table, "aggregate": "sum", "value": "amount", "absent": None}
    | {"unit": "units", "description": "For tests"}
    for name, table in {"a": "orders", "b": "orders", "c": "orders", "web": "events"}.items()
}
WINDOWS = [{"metric": name} for name in METRICS]
NUMBERS = [f"{name}__all" for name in METRICS]
TEXTS = ["age_band", "gender", "income_band", "household_size", "loyalty_tier", "region", "country"]
Row = dict[str, Any]


_given: list[GrammarProject] = []


@pytest.fixture(scope="module", autouse=True)
def _given_project(project: GrammarProject) -> None:
    _given.append(project)


def project() -> GrammarProject:
    return _given[0]


def variables(treatments: Any, **others: Any) -> dict[str, Any]:
    return {
        "metrics": METRICS,
        "feature_windows": WINDOWS,
        "rule_segments": {},
        "feature_treatments": treatments,
        **others,
    }


@functools.cache
def rendered(model: str, vars_json: str) -> str:
    """The SQL of a model, with plain names for the models that it reads."""
    (path,) = (ROOT / "models").rglob(f"{model}.sql")
    template = path.read_text()
    template = re.sub(r"{{ ref\('(\w+)'\) }}", r"\1", template)
    return project().render(template, json.loads(vars_json))


class Treated:
    """What the models make of customers; `fitted` is the refit date in force, at LATER too.

    `rows` has a customer's features as they were and, made of what was replaced, <feature>_treated,
    <feature>_is_imputed and <feature>_is_capped.
    """

    connection = duckdb.connect()

    def __init__(
        self, customers: Sequence[Row], treatments: Any, fitted: date | None = FITTED
    ) -> None:
        types = {"as_of": pa.date32(), "customer_key": pa.int64(), "is_buyer": pa.bool_()}
        types |= dict.fromkeys(NUMBERS, pa.float64()) | dict.fromkeys(TEXTS, pa.string())
        completed = [
            {"as_of": FITTED, "customer_key": key, "is_buyer": True, **customer}
            for key, customer in enumerate(customers)
        ]
        table = pa.Table.from_pylist(completed, pa.schema(list(types.items())))
        self.create("int_features__customers_measured", table)
        names = ["models_fitted_as_of", "models_selected_as_of"]
        periods = {"as_of": [FITTED, LATER], **{name: [fitted, fitted] for name in names}}
        dates = pa.Table.from_pydict(
            periods, pa.schema([(name, pa.date32()) for name in periods])
        ).append_column("updates_models", pa.array([False, False]))
        self.create("int_periods", dates)
        vars_json = json.dumps(variables(treatments))
        for model in MODELS:
            self.create(model, rendered(model, vars_json))
        replaced = {
            (row["as_of"], row["customer_key"], row["feature"]): row
            for row in self.read("int_features__treated")
        }
        self.rows = self.read("int_features__customers_measured order by as_of, customer_key")
        for row in self.rows:
            for feature in treatments:
                new = replaced.pop((row["as_of"], row["customer_key"], feature), None)
                value = "text_value" if feature in TEXTS else "number"
                row[f"{feature}_treated"] = new[value] if new else row[feature]
                row[f"{feature}_is_imputed"] = bool(new and new["is_imputed"])
                row[f"{feature}_is_capped"] = bool(new and new["is_capped"])
                # Only what is replaced has a row.
                assert not new or new[value] != row[feature]
        assert not replaced
        self.fits = {row["feature"]: row for row in self.read("int_features__treatments")}

    def create(self, name: str, content: pa.Table | str) -> None:
        if not isinstance(content, str):
            self.connection.register("content", content)
            content = "from content"
        self.connection.execute(f"create or replace table {name} as {content}")

    def read(self, table: str) -> list[Row]:
        found = self.connection.sql(f"select * from {table}").to_arrow_table().to_pylist()
        return [dict(row) for row in found]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def of(values: Sequence[Any], feature: str = "a__all") -> list[Row]:
    return [{feature: value} for value in values]


amounts = st.integers(-2000, 2000).map(lambda hundredths: hundredths / 100)
gaps = st.lists(st.none() | amounts, min_size=1, max_size=60)


# --- Published values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "outliers"), [({"iqr": 1.5}, {2.0, 4.1, 4.2, 4.4}), ({"zscore": 3}, {4.4})]
)
def test_outliers_of_the_sepal_width_of_irises(rule: Row, outliers: set[float]) -> None:
    widths = [float(width) for width in load_iris().data[:, 1]]
    treated = Treated(of(widths), {"a__all": {"outliers": rule}})
    rows = treated.rows
    assert {row["a__all"] for row in rows if row["a__all_is_capped"]} == outliers
    assert [row["a__all"] for row in rows] == widths


def test_median_spread_and_range_of_the_sepal_length_of_irises() -> None:
    lengths = [*(float(length) for length in load_iris().data[:, 0]), None]
    treated = Treated(of(lengths), {"a__all": {"missing": "median", "outliers": {"iqr": 1}}})
    fit = treated.fits["a__all"]
    assert fit["fill_number"] == 5.8
    assert fit["upper_bound"] - fit["lower_bound"] == pytest.approx(3 * 1.3)


# --- Independent implementations -------------------------------------------------------------


@examples(25)
@given(
    gaps,
    st.sampled_from(
        [
            {"iqr": 1.5},
            {"iqr": 0.25},
            {"zscore": 1},
            {"zscore": 3},
            {"percentile": [0.05, 0.95]},
            {"percentile": [0, 0.5]},
        ]
    ),
)
def test_bounds_and_capped_values_are_those_of_numpy(values: list[Any], rule: Row) -> None:
    rows = Treated(of(values), {"a__all": {"outliers": rule}}).rows
    known = np.array([value for value in values if value is not None])
    kind, limit = next(iter(rule.items()))
    lower, upper = -np.inf, np.inf
    if kind == "zscore" and len(known) and known.std() > 1e-6:
        # Bounds are stored with a mean and a deviation of six decimals.
        mean, deviation = known.mean().round(6), known.std().round(6)
        lower, upper = mean - limit * deviation, mean + limit * deviation
    elif kind != "zscore" and len(known):
        shares = limit if kind == "percentile" else [0.25, 0.75]
        low, high = np.quantile(known, shares, method="inverted_cdf")
        if low < high:
            reach = limit * (high - low) if kind == "iqr" else 0
            lower, upper = low - reach, high + reach
    for value, row in zip(values, rows, strict=True):
        assert row["a__all"] == value
        if value is None:
            assert row["a__all_treated"] is None
            assert row["a__all_is_capped"] is False
        else:
            assert row["a__all_treated"] == pytest.approx(np.clip(value, lower, upper), abs=1e-5)
            near = min(abs(value - lower), abs(value - upper)) < 1e-5
            assert near or row["a__all_is_capped"] == (not lower <= value <= upper)
            assert row["a__all_is_capped"] == (row["a__all_treated"] != value)


@examples(20)
@given(gaps)
def test_medians_and_modes_are_those_of_other_libraries(values: list[Any]) -> None:
    customers = [
        {"a__all": v, "b__all": v, "gender": None if v is None else str(v)} for v in values
    ]
    policies = {"a__all": "median", "b__all": "mode", "gender": "mode"}
    treatments = {name: {"missing": policy} for name, policy in policies.items()}
    treated = Treated(customers, treatments)
    known = pd.Series([value for value in values if value is not None], dtype="float64")
    if known.empty:
        expected: Row = dict.fromkeys(policies)
    else:
        frame = known.to_frame().to_numpy()
        expected = {
            "a__all": np.quantile(known, 0.5, method="inverted_cdf"),
            "b__all": SimpleImputer(strategy="most_frequent").fit(frame).statistics_[0],
            "gender": known.astype("str").mode().min(),
        }
    for name, row in ((name, row) for name in policies for row in treated.rows):
        was_missing = row[name] is None
        assert row[f"{name}_is_imputed"] == (was_missing and not known.empty)
        assert row[f"{name}_treated"] == (expected[name] if was_missing else row[name])


# --- Properties ------------------------------------------------------------------------------

EVERYTHING = {
    "a__all": {"missing": "median", "outliers": {"iqr": 0.5}},
    "b__all": {"missing": "median", "outliers": {"zscore": 1}},
    "c__all": {"missing": "mode", "outliers": {"percentile": [0.1, 0.9]}},
    "web__all": {},
    "age_band": {"missing": "unknown"},
    "gender": {"missing": "mode"},
}
# Few different values, so that there are many ties.
few = st.none() | st.integers(0, 4).map(float)
words = st.none() | st.sampled_from(["x", "y"])
customers = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(NUMBERS, few)
        | {"age_band": words, "gender": words, "is_buyer": st.booleans()}
    ),
    min_size=1,
    max_size=25,
)


@examples(12)
@given(customers, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(given_rows: list[Row], random: Any) -> None:
    keyed = [{**customer, "customer_key": key} for key, customer in enumerate(given_rows)]
    shuffled = random.sample(keyed, len(keyed))
    first, second = Treated(keyed, EVERYTHING), Treated(shuffled, EVERYTHING)
    assert first.rows == second.rows
    assert first.fits == second.fits


@examples(12)
@given(customers, customers)
def test_a_customer_is_treated_alike_whoever_else_is_there_later(
    fitted_on: list[Row], newcomers: list[Row]
) -> None:
    later = [
        {**customer, "as_of": LATER, "customer_key": 1000 + number}
        for number, customer in enumerate(newcomers)
    ]
    together = Treated([*fitted_on, *later], EVERYTHING)
    alone = Treated([*fitted_on, later[0]], EVERYTHING)
    assert together.fits == alone.fits
    assert together.rows[len(fitted_on)] == alone.rows[-1]
    assert together.rows[: len(fitted_on)] == alone.rows[: len(fitted_on)]


@examples(12)
@given(customers)
def test_treated_values_are_within_the_bounds_and_the_originals_are_kept(
    given_rows: list[Row],
) -> None:
    treated = Treated(given_rows, EVERYTHING)
    for feature in EVERYTHING:
        # Without a buyer there is no fit.
        fit = treated.fits.get(feature)
        for customer, row in zip(given_rows, treated.rows, strict=True):
            assert row[feature] == customer.get(feature)
            if fit and fit["lower_bound"] is not None and customer["is_buyer"]:
                value = row[f"{feature}_treated"]
                assert value is None or fit["lower_bound"] <= value <= fit["upper_bound"]


# --- Cases -----------------------------------------------------------------------------------


def test_a_later_date_uses_the_parameters_of_the_refit_date() -> None:
    """Customer 9 lacks the value at both dates, and what is known at the later one counts not."""
    buyers = [{"web__all": float(n)} for n in range(9)]
    prospect = {"customer_key": -1, "web__all": 99.0, "is_buyer": False}
    later = [{"customer_key": 20 + n, "web__all": 500.0, "as_of": LATER} for n in range(20)]
    lacking = {"customer_key": 9, "web__all": None}
    treatments: Row = {"web__all": {"missing": "median", "outliers": {"iqr": 3}}}
    customers = [*buyers, prospect, *later, lacking, lacking | {"as_of": LATER}]
    treated = Treated(customers, treatments)
    filled = [row["web__all_treated"] for row in treated.rows if row["customer_key"] == 9]
    assert filled == [4.0, 4.0]


def test_unknown_is_a_level_and_no_imputed_value() -> None:
    values = ["25-34", None, "25-34"]
    [_, row, _] = Treated(of(values, "age_band"), {"age_band": {"missing": "unknown"}}).rows
    assert row["age_band"] is None
    assert row["age_band_treated"] == "unknown"
    assert not row["age_band_is_imputed"]


def test_parameters_are_those_of_buyers_and_missing_orders_are_no_outlier() -> None:
    rule: Row = {"outliers": {"percentile": [0.1, 0.9]}}
    buyers = [{"a__all": float(n), "web__all": float(n)} for n in range(1, 11)]
    prospects = [{"a__all": 0.0, "web__all": 500.0, "is_buyer": False}]
    treated = Treated([*buyers, *prospects], {"a__all": rule, "web__all": rule})
    for feature in ("a__all", "web__all"):
        fit = treated.fits[feature]
        assert (fit["lower_bound"], fit["upper_bound"]) == (1, 9)
    prospect = treated.rows[-1]
    assert (prospect["a__all_treated"], prospect["a__all_is_capped"]) == (0, False)
    assert (prospect["web__all_treated"], prospect["web__all_is_capped"]) == (9, True)


@pytest.mark.parametrize("policy", ["median", "mode"])
def test_who_never_ordered_lacks_order_features_for_a_reason(policy: str) -> None:
    treatments: Row = {name: {"missing": policy} for name in ("a__all", "web__all")}
    buyers = [{"a__all": 3.0, "web__all": 3.0}] * 3
    treated = Treated([*buyers, {"is_buyer": False}, {}], treatments)
    assert treated.column("a__all_treated") == [3.0] * 3 + [None, 3.0]
    assert treated.column("a__all_is_imputed") == [False] * 4 + [True]
    assert treated.column("web__all_treated") == [3.0] * 5


@pytest.mark.parametrize("rule", [{"iqr": 1.5}, {"zscore": 1}, {"percentile": [0.3, 0.7]}])
def test_nobody_is_an_outlier_where_there_is_no_spread(rule: Row) -> None:
    """A third of a unit has no exact mean; of eleven values, nine the same have no quartiles."""
    value = 1 / 3
    for values in ([value] * 11, [value]) if "zscore" in rule else ([value] * 9 + [5.0, 9.0],):
        treated = Treated(of(values), {"a__all": {"outliers": rule}})
        assert treated.column("a__all_treated") == values
        assert not any(treated.column("a__all_is_capped"))
        assert treated.fits["a__all"]["status"] == "no_spread"


@pytest.mark.parametrize("is_buyer", [True, False])
@pytest.mark.parametrize("size", [0, 1, 3])
def test_where_nothing_is_known_nothing_is_filled(size: int, is_buyer: bool) -> None:
    treated = Treated([{"is_buyer": is_buyer}] * size, EVERYTHING)
    for row in treated.rows:
        level = "unknown" if is_buyer else None
        assert [row[f"{name}_treated"] for name in EVERYTHING] == [None] * 4 + [level, None]
        assert not row["a__all_is_imputed"]
    if size and is_buyer:
        fit = treated.fits["a__all"]
        assert (fit["fill_number"], fit["upper_bound"], fit["status"]) == (None, None, "no_values")


def test_before_the_first_fit_values_stay_as_they_are() -> None:
    treated = Treated([{"a__all": 3.0}, {}], EVERYTHING, fitted=None)
    assert not treated.fits
    assert treated.column("a__all_treated") == [3.0, None]
    assert treated.column("age_band_treated") == [None, None]


def test_a_treated_feature_of_clusters_is_fitted_and_placed_as_treated() -> None:
    """Of b as it was; of a with the gap filled by 3, the median, and 99 capped at 5."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 99.0, None]
    customers = [{"a__all": value, "b__all": value, "gender": "x"} for value in values[:6]]
    rules: Row = {"missing": "median", "outliers": {"percentile": [0.1, 0.7]}}
    treatments = {"a__all": rules, "b__all": rules, "gender": {"missing": "mode"}}
    treated = Treated([*customers, {"b__all": 0.0}], treatments)
    features = [
        {"name": "a", "column": "a__all", "treated": True},
        {"name": "b", "column": "b__all"},
        {"name": "sex", "column": "gender", "encoding": "one_hot", "levels": ["x", "y"]}
        | {"treated": True},
    ]
    settings = {"cluster_features": features, "journey_features": [], "cluster_pca": False}
    settings |= {"cluster_k": {"min": 2, "max": 2}, "cluster_sample_rows": 100}
    vars_json = json.dumps(variables(treatments, **settings))
    treated.create(CLUSTERS[0], rendered(CLUSTERS[0], vars_json))
    sample = treated.read(f"{CLUSTERS[0]} order by customer_key")
    capped = [1.0, 2.0, 3.0, 4.0, 5.0, 5.0, 3.0]
    assert [row["a"] for row in sample] == capped
    assert [row["b"] for row in sample] == [*values[:6], 0]
    assert [(row["sex__x"], row["sex__y"]) for row in sample] == [(1, 0)] * 7
    # One centroid at 0, and only a counts.
    scaler = {"log_used": 0, "lower_cap": -999, "upper_cap": 999, "centre": 0}
    scales = {"a": 1, "b": 1e12, "sex__x": 1e12, "sex__y": 1e12}
    fit = [
        ("scaler", name, None, feature, value)
        for feature, scale in scales.items()
        for name, value in {**scaler, "scale": scale}.items()
    ]
    fit += [("coordinate", None, 1, feature, 0) for feature in scales]
    fit += [("key", "c01", 1, None, None), ("limit", None, 1, None, 999)]
    fit += [("model", "kmeans", None, None, None)]
    names = ["part", "name", "number", "feature", "value"]
    table = pd.DataFrame(fit, columns=names).assign(scheme="cluster", as_of=FITTED)
    treated.create("int_segmentation__cluster_fit", pa.Table.from_pandas(table))
    treated.create(CLUSTERS[1], rendered(CLUSTERS[1], vars_json))
    placed = treated.read(f"{CLUSTERS[1]} order by customer_key")
    assert [row["distance"] for row in placed] == pytest.approx(capped, abs=1e-6)


# --- What is refused -------------------------------------------------------------------------

REFUSED = {
    "no mapping": (["a__all"], ["a mapping from features"]),
    "nothing": ({}, ["a mapping from features"]),
    "unknown feature": ({"a__al": {}}, ["a__al", "Did you mean a__all", "age_band"]),
    "unknown key": ({"a__all": {"mising": "mode"}}, ["a__all", "mising", "missing, outliers"]),
    "unknown policy": ({"a__all": {"missing": "mean"}}, ["a__all.missing", "'mean'", "median"]),
    "median of text": ({"gender": {"missing": "median"}}, ["gender", "'median'", "unknown"]),
    "unknown number": ({"a__all": {"missing": "unknown"}}, ["a__all", "'unknown'", "median"]),
    "outliers of text": (
        {"gender": {"outliers": {"iqr": 1}}},
        ["gender.outliers", "the keys missing"],
    ),
    "unknown rule": ({"a__all": {"outliers": {"mad": 3}}}, ["a__all.outliers", "mad", "zscore"]),
    "two rules": ({"a__all": {"outliers": {"iqr": 1, "zscore": 3}}}, ["iqr, zscore", "or"]),
    "no factor": ({"a__all": {"outliers": {"iqr": 0}}}, ["a__all.outliers.iqr", "0", "above 0"]),
    "factor in words": ({"a__all": {"outliers": {"zscore": "3"}}}, ["zscore", "'3'"]),
    "infinite factor": ({"a__all": {"outliers": {"iqr": float("inf")}}}, ["iqr", "inf"]),
    "percentages": ({"a__all": {"outliers": {"percentile": [1, 99]}}}, ["percentile", "99"]),
    "one percentile": ({"a__all": {"outliers": {"percentile": 0.9}}}, ["percentile", "0.9"]),
    "percentiles upside down": (
        {"a__all": {"outliers": {"percentile": [0.9, 0.1]}}},
        ["percentile", "[lower, upper]"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_used_is_refused_with_a_message_that_helps(name: str) -> None:
    treatments, words_expected = REFUSED[name]
    template = "{% set checked = feature_treatments() %}"
    told = project().complaint(template, variables(treatments))
    assert "feature_treatments" in told
    for word in words_expected:
        assert word in told, told
