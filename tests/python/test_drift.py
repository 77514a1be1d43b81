"""Drift between periods: the two models against published values and scipy; false alarms."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import yaml
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from rule_grammar_project import ROOT, GrammarProject
from scipy import stats
from scipy.stats.contingency import association, chi2_contingency

VARS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
# Clusters of what drift does not look at, so that what it does look at is judged in them.
VARS |= {"min_drift_customers": 100, "cluster_features": [{"name": "s", "column": "sessions__30d"}]}
VARS["rule_segments"] = {
    "lately": {"metric": "recency_days", "at_most": 30},
    "good_lately": {"all": [{"segment": "rule:lately"}, {"metric": "revenue", "at_least": 9}]},
    "keen_best": {"any": [{"segment": "rfm:champions"}, {"segment": "lifecycle:new"}]},
    "absent": {"not": {"metric": "orders", "window_days": 30, "at_least": 1}},
    "surfers": {"metric": "session_recency_days", "at_most": 9},
}
MODELS = ["segment_distributions", "int_periods__baselines"]
MODELS += [f"int_marts__{name}_compared" for name in ("distributions", "sizes", "clusters")]
MODELS += ["segment_drift"]
BEFORE, NOW = date(2024, 1, 1), date(2024, 2, 1)
METRICS = ["recency_days", "frequency", "monetary"]
SCORES = ["recency_score", "frequency_score", "monetary_score"]
Array = npt.NDArray[Any]

_projects: list[GrammarProject] = []


@pytest.fixture(scope="module", autouse=True)
def _project(project: GrammarProject) -> None:
    _projects.append(project)


@functools.cache
def rendered(model: str) -> str:
    """The SQL of a model, with plain names for the models that it reads."""
    (path,) = (ROOT / "models").rglob(f"{model}.sql")
    template = path.read_text()
    template = re.sub(r"{{ ref\('(\w+)'\) }}", r"\1", template)
    return _projects[0].render(template, VARS)


class Drift:
    """What the models say of members by segment and period, a list of values each.

    The models are fitted at the first period and the cut points at every one.
    refitted_on: another date of a fit. probabilities: that a customer lapses, by period.
    """

    def __init__(
        self,
        members: Mapping[tuple[str, date], Mapping[str, Array]],
        probabilities: Mapping[date, Array] | None = None,
        refitted_on: date | None = None,
    ) -> None:
        self.connection = duckdb.connect()
        frames = [
            pd.DataFrame(values).assign(segment_key=segment, as_of=pd.Timestamp(period))
            for (segment, period), values in members.items()
        ]
        rows = pd.concat(frames, ignore_index=True)
        missing = {name: None for name in METRICS + SCORES if name not in rows}
        rows = rows.assign(**missing, customer_key=np.arange(len(rows)) + 1)
        periods = sorted({period for _, period in members})
        first = pd.Timestamp(periods[0])
        calendar = pd.DataFrame({"as_of": pd.to_datetime(periods)})
        calendar["previous_as_of"] = calendar["as_of"].shift()
        calendar["models_fitted_as_of"] = first
        if refitted_on:
            is_refitted = calendar["as_of"] >= pd.Timestamp(refitted_on)
            calendar.loc[is_refitted, "models_fitted_as_of"] = pd.Timestamp(refitted_on)
        calendar["cutpoints_fitted_as_of"] = calendar["as_of"]
        scores = [(day, p) for day, own in (probabilities or {}).items() for p in own]
        scored = pd.DataFrame(scores, columns=["as_of", "probability"]).astype(
            {"as_of": "datetime64[s]", "probability": "float64"}
        )
        self.connection.register("scored", scored)
        self.connection.register("rows", rows)
        self.connection.register("calendar", calendar)
        self.connection.execute(
            f"""
            create table customer_history as
            select
                as_of::date as as_of,
                printf('%015x', customer_key) || repeat('0', 17) as customer_id,
                {", ".join(f"{name}::decimal(18, 2) as {name}" for name in METRICS + SCORES)}
            from rows;
            create table int_segmentation__prediction_scores as
            select as_of::date as as_of, 'lapses' as target, probability from scored;
            create table int_segmentation__memberships as
            select
                as_of::date as as_of, customer_key, segment_key,
                split_part(segment_key, ':', 1) as scheme
            from rows;
            create table int_marts__segment_sums as
            select as_of, scheme, segment_key, true as is_all_days, count(*) as customers
            from int_segmentation__memberships group by all;
            create table int_segmentation__segments as
            select distinct scheme, segment_key from int_segmentation__memberships;
            create table int_periods as select columns(*)::date, true as is_built from calendar;
            create table int_segmentation__changes as
            select date '2024-01-01' as changed_on, 0 as customer_key, 'cluster' as scheme,
                '' as segment_key, '' as change where false;
            create table cluster_models as
            select '' as model_id, '' as scheme, '' as status, date '2024-01-01' as fitted_as_of
            where false;
            create table cluster_centroids as
            select '' as model_id, '' as cluster_key, '' as feature, .0 as value where false;
            """
        )
        for model in MODELS:
            self.connection.execute(f"create table {model} as {rendered(model)}")

    def rows(self, where: str = "true") -> pd.DataFrame:
        return self.connection.sql(f"select * from segment_drift where {where}").df()

    def statistics(self) -> dict[tuple[str, str, str], float]:
        """Against the period before: segment, metric and test to statistic."""
        found = self.rows("baseline = 'previous'")
        keys = zip(found["segment_key"], found["metric"], found["test"], strict=True)
        return dict(zip(keys, found["statistic"], strict=True))


def of_two(before: Sequence[float], now: Sequence[float], metric: str = "recency_days") -> Drift:
    return Drift(
        {
            ("rule:x", BEFORE): {metric: np.array(before)},
            ("rule:x", NOW): {metric: np.array(now)},
        }
    )


def repeated(counts: Sequence[int]) -> list[float]:
    return [float(value) for value, count in enumerate(counts) for _ in range(count)]


# --- Published values ------------------------------------------------------------------------


def test_stability_index_of_ten_bins() -> None:
    now = repeated([50, 50, *[100] * 6, 150, 150])
    drift = of_two(repeated([100] * 10), now)
    assert drift.statistics()["all", "recency_days", "psi"] == pytest.approx(0.1098612, abs=1e-6)
    (row,) = drift.rows("test = 'psi' and segment_key = 'all'")[:1].itertuples()
    assert (row.verdict, row.threshold, row.recommendation) == ("moderate", 0.25, "none")


@pytest.mark.parametrize(
    ("before", "now", "divergence"),
    [([100] * 3, [108, 144, 48], 0.0852996), ([108, 144, 48], [100] * 3, 0.0974550)],
)
def test_divergence_from_uniform_and_back(
    before: list[int], now: list[int], divergence: float
) -> None:
    drift = of_two(repeated(before), repeated(now))
    assert drift.statistics()["all", "recency_days", "kl"] == pytest.approx(divergence, abs=1e-6)


def test_an_almost_empty_bin_counts_with_its_neighbour() -> None:
    """Two per cent have the value 2, and later seven: one of twenty customers has changed."""
    drift = of_two(repeated([600, 380, 20]), repeated([600, 330, 70]))
    assert drift.statistics()["all", "recency_days", "psi"] == 0
    assert drift.statistics()["all", "recency_days", "ks"] == pytest.approx(0.05)
    # A value that the baseline has not, with a floor of 0.0001, would be 7.
    unseen = of_two(repeated([1000]), repeated([0, 1000]))
    assert unseen.statistics()["all", "recency_days", "psi"] == 0
    assert unseen.statistics()["all", "recency_days", "ks"] == 1
    shifted = of_two(repeated([500, 500]), repeated([250, 250, 500]))
    expected = psi_and_kl(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2]))[0]
    assert shifted.statistics()["all", "recency_days", "psi"] == pytest.approx(expected, abs=1e-6)


# --- Independent implementations -------------------------------------------------------------


def decile_counts(before: Array, now: Array) -> list[Array]:
    """By numpy's quantiles: bins are (edge, next edge]."""
    edges = np.quantile(before, np.arange(1, 10) / 10, method="inverted_cdf")
    return [
        np.bincount(np.searchsorted(edges, values, "left"), minlength=10)
        for values in (now, before)
    ]


def bin_counts(before: Array, now: Array) -> tuple[Array, Array]:
    """Deciles, of which those with less than 5% of the baseline count with the one below."""
    bins: list[list[int]] = []
    for count, baseline in zip(*decile_counts(before, now), strict=True):
        if bins and 20 * baseline < len(before):
            bins[-1][0] += count
            bins[-1][1] += baseline
        else:
            bins.append([count, baseline])
    counts = np.array(bins).T
    return counts[0], counts[1]


def psi_and_kl(before: Array, now: Array) -> tuple[float, float]:
    p, q = (np.maximum(count / count.sum(), 0.0001) for count in bin_counts(before, now))
    return float(np.sum((p - q) * np.log(p / q))), float(np.sum(p * np.log(p / q)))


values = st.lists(st.integers(0, 900), min_size=1, max_size=80)
few_values = st.lists(st.integers(1, 5), min_size=1, max_size=80)


# Many pairs of samples in one example: what takes time is the planning of the queries.
@examples(8)
@given(
    st.lists(st.tuples(values, values) | st.tuples(few_values, few_values), min_size=5, max_size=20)
)
def test_distances_of_values_are_those_of_numpy_and_scipy(
    samples: list[tuple[list[int], list[int]]],
) -> None:
    drift = Drift(
        {
            (f"rule:s{number}", period): {"recency_days": np.array(side)}
            for number, sides in enumerate(samples)
            for period, side in zip((BEFORE, NOW), sides, strict=True)
        }
    )
    found = drift.statistics()
    everyone = tuple(list(itertools.chain(*sides)) for sides in zip(*samples, strict=True))
    for segment, sides in [*((f"rule:s{n}", s) for n, s in enumerate(samples)), ("all", everyone)]:
        before, now = (np.array(side) for side in sides)
        psi, kl = psi_and_kl(before, now)
        ks = stats.ks_2samp(now, before, method="asymp").statistic
        for test, expected in {"psi": psi, "kl": kl, "ks": ks}.items():
            statistic = found[segment, "recency_days", test]
            assert statistic == pytest.approx(expected, abs=2e-6), (test, sides)


sizes_of_a_scheme = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=8
).filter(lambda counts: all(sum(side) for side in zip(*counts, strict=True)))


@examples(8)
@given(st.lists(sizes_of_a_scheme, min_size=3, max_size=10))
def test_changes_of_sizes_are_those_of_scipy(schemes: list[list[tuple[int, int]]]) -> None:
    drift = Drift(
        {
            (f"s{scheme}:{number}", period): {"frequency": np.ones(count)}
            for scheme, counts in enumerate(schemes)
            for number, pair in enumerate(counts)
            for period, count in zip((BEFORE, NOW), pair, strict=True)
        }
    )
    found = drift.statistics()
    for scheme, counts in enumerate(schemes):
        table = np.array([pair for pair in counts if sum(pair)])
        expected = chi2_contingency(table, correction=False).statistic
        statistic = found["all", f"s{scheme}", "chi_square"]
        assert statistic == pytest.approx(expected, abs=2e-6, rel=1e-9)
        if len(table) > 1:
            effect = association(table, method="cramer", correction=False)
            assert found["all", f"s{scheme}", "cramers_v"] == pytest.approx(effect, abs=2e-6)
        for number, (before, now) in enumerate(counts):
            if before:
                change = found[f"s{scheme}:{number}", "customers", "size_change"]
                assert change == pytest.approx(now / before - 1, abs=2e-6)


def test_what_chance_may_do_is_that_of_scipy() -> None:
    random = np.random.default_rng(1)
    spread = {}
    for number in range(60):
        before = random.integers(0, 900, 150)
        spread[f"rule:s{number}"] = before, random.integers(0, 900, 400) * (1 - number / 120)
    drift = Drift(
        {
            (segment, period): {"recency_days": np.floor(side)}
            for segment, sides in spread.items()
            for period, side in zip((BEFORE, NOW), sides, strict=True)
        }
    )
    found = drift.rows("test in ('psi', 'ks') and segment_key <> 'all'")
    beyond = found.set_index(["segment_key", "test"])["is_significant"]
    for segment, (before, now) in spread.items():
        bins = np.array(bin_counts(before, np.floor(now)))
        p_value = chi2_contingency(bins, correction=False).pvalue
        # The limit in SQL is within two per cent of chi-square's own.
        if not 2e-6 < p_value < 5e-5:
            assert beyond[segment, "psi"] == (p_value < 1e-5)
        p_value = stats.ks_2samp(before, np.floor(now), method="asymp").pvalue
        if not 5e-6 < p_value < 2e-5:
            assert beyond[segment, "ks"] == (p_value < 1e-5)
    assert 10 < beyond.sum() < 110


@examples(8)
@given(st.lists(st.decimals(0, 10**7, places=2), min_size=20, max_size=200))
def test_money_is_kept_to_three_digits(amounts: list[Any]) -> None:
    drift = of_two(amounts, amounts, "monetary")
    found = drift.connection.sql(
        "select value, customers from segment_distributions "
        "where segment_key = 'all' and metric = 'monetary' and period = date '2024-01-01'"
    ).fetchall()
    kept = sorted(value for value, customers in found for _ in range(customers))
    for value, amount in zip(kept, sorted(float(amount) for amount in amounts), strict=True):
        assert abs(value - amount) <= max(0.5, 0.005 * amount)
    assert drift.statistics()["all", "monetary", "psi"] == 0


# --- Stable series, and planted drift --------------------------------------------------------

MONTHS = [date(2023, month, 1) for month in range(1, 13)]


def shopper_values(random: np.random.Generator, count: int, slower: float = 1) -> dict[str, Array]:
    """Figures like those of shoppers, drawn anew for every period: nobody stays."""
    return {
        "recency_days": np.ceil(random.exponential(30 * slower, count)),
        "frequency": random.negative_binomial(2, 0.1, count).astype(float),
        "monetary": np.round(np.exp(random.normal(5, 1, count)), 2),
    }


@pytest.mark.parametrize("members", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_false_alarms_in_two_hundred_stable_series_are_rare(members: int) -> None:
    random = np.random.default_rng(20180101)
    drift = Drift(
        {
            (f"cluster:s{number}", month): shopper_values(random, members)
            for number in range(200)
            for month in MONTHS
        }
    )
    alarms = drift.rows("recommendation not like 'none%'")
    assert alarms["segment_key"].nunique() < 0.05 * 200
    judged = drift.rows("test in ('psi', 'ks') and segment_key <> 'all'")
    assert len(judged) == 200 * 3 * 2 * (11 + 11)
    if members == 500:
        # Enough members for effect size alone to separate drift from sampling noise.
        assert (judged["verdict"] == "drifted").sum() == 0


def test_planted_drift_is_found_in_its_period_and_segment() -> None:
    random = np.random.default_rng(7)
    drift = Drift(
        {
            (f"cluster:s{number}", month): shopper_values(
                random, 400, slower=2 if number == 3 and month >= MONTHS[6] else 1
            )
            for number in range(20)
            for month in MONTHS
        }
    )
    alarms = drift.rows("recommendation not like 'none%'")
    assert set(alarms["segment_key"]) == {"cluster:s3"}
    assert set(alarms["metric"]) == {"recency_days"}
    at_once = alarms[alarms["baseline"] == "previous"]
    assert set(at_once["period"].dt.date) == {MONTHS[6]}
    assert at_once["recommendation"].str.startswith("review it").all()
    since_the_fit = alarms[alarms["baseline"] == "fitted"]
    assert set(since_the_fit["period"].dt.date) == set(MONTHS[6:])
    assert "refit: add this row to the seed refits: 2023-07-01,refit,recency_days drifted" in set(
        since_the_fit["recommendation"]
    )


def test_drift_of_probabilities_asks_for_a_refit_and_a_refit_is_none() -> None:
    """In the fourth month customers become likelier to lapse, in the sixth models are refitted."""
    random = np.random.default_rng(8)
    days = MONTHS[:6]
    probabilities = {
        day: random.beta(2, 18 if day < days[3] else 9, 800).round(5) for day in days[:5]
    } | {days[5]: random.beta(2, 40, 800).round(5)}
    members = {("rule:x", day): shopper_values(random, 400) for day in days}
    found = Drift(members, probabilities, refitted_on=days[5]).rows(
        "metric = 'probability_of_lapses' and test = 'psi'"
    )
    assert set(found["segment_key"]) == {"all"}
    found = found.set_index(["baseline", found["period"].dt.date])
    for baseline, before, now in [
        ("previous", days[1], days[2]),
        ("previous", days[2], days[3]),
        ("fitted", days[0], days[4]),
    ]:
        row = found.loc[(baseline, now)]
        in_millionths = [kept_digits(1e6 * probabilities[day]) for day in (before, now)]
        assert row["statistic"] == pytest.approx(psi_and_kl(*in_millionths)[0], abs=1e-6)
        assert (row["customers"], row["baseline_customers"]) == (800, 800)
    assert found.loc[("previous", days[2]), "verdict"] == "stable"
    assert found.loc[("previous", days[3]), "verdict"] == "drifted"
    assert found.loc[("previous", days[3]), "recommendation"].startswith("review it")
    assert found.loc[("fitted", days[4]), "recommendation"].endswith(
        f"{days[4]},refit,probability_of_lapses drifted"
    )
    refit = found.loc[("previous", days[5])]
    assert refit["verdict"] == "drifted"
    assert refit["recommendation"] == "none: the prediction was refitted"
    assert ("fitted", days[5]) not in found.index


def kept_digits(values: Array) -> Array:
    """Rounded to three significant digits, but below 1,000 to whole numbers."""
    unit = 10 ** np.maximum(np.floor(np.log10(values)) - 2, 0)
    return np.floor(values / unit + 0.5) * unit


def test_the_source_is_suspected_where_several_segments_say_so_at_once() -> None:
    random = np.random.default_rng(7)
    drift = Drift(
        {
            (f"demographic:s{number}", month): shopper_values(
                random, 400, slower=2 if number in (3, 4) and month >= MONTHS[6] else 1
            )
            for number in range(20)
            for month in MONTHS
        }
    )
    alarms = drift.rows("recommendation not like 'none%'")
    assert set(alarms["segment_key"]) == {"demographic:s3", "demographic:s4"}
    assert set(alarms["period"].dt.date) == {MONTHS[6]}
    assert alarms["recommendation"].str.startswith("check the source data: other segments").all()


def test_sizes_within_a_scheme_are_one_place() -> None:
    def members(counts: Mapping[str, tuple[int, int]]) -> Drift:
        return Drift(
            {
                (segment, period): {"recency_days": np.arange(count) % 100}
                for segment, sides in counts.items()
                for period, count in zip((BEFORE, NOW), sides, strict=True)
            }
        )

    moved = {"lifecycle:a": (400, 700), "lifecycle:b": (700, 400)}
    for counts, advice in {
        (): "review it: no other segment changed suddenly at the same time",
        (
            ("rule:x", (300, 900)),
        ): "check the source data: other segments changed suddenly at the same time",
    }.items():
        alarms = members({**moved, **dict(counts)}).rows("recommendation not like 'none%'")
        assert set(alarms["recommendation"]) == {advice}
        assert {"lifecycle:a", "lifecycle:b"} <= set(alarms["segment_key"])


# --- What defines a segment ------------------------------------------------------------------


def test_what_defines_a_segment_is_not_judged_in_it() -> None:
    random = np.random.default_rng(3)
    segments = ["rfm:champions", "lifecycle:active", "demographic:a", "rule:lately", "cluster:c01"]
    drift = Drift(
        {
            (segment, period): {
                **shopper_values(random, 400, slower=1 if period == BEFORE else 3),
                "recency_score": random.integers(1, 6 if period == BEFORE else 3, 400),
            }
            for segment in segments
            for period in (BEFORE, NOW)
        }
    )
    verdicts = drift.rows(
        "metric in ('recency_days', 'recency_score', 'monetary', 'customers') "
        "and baseline = 'previous' and test <> 'kl'"
    )
    for row in verdicts.itertuples():
        if row.metric.startswith("recency"):
            is_own = row.segment_key in ("rfm:champions", "lifecycle:active", "rule:lately")
            assert row.verdict == ("defined_by" if is_own else "drifted"), row
            assert (row.recommendation == "none") == is_own, row
        else:
            assert row.verdict == "stable", row
    assert len(verdicts) == 6 * (2 * 3 + 1)
    assert set(drift.rows("test = 'kl'")["verdict"]) == {"info"}


def defined_by(project: GrammarProject, **variables: Any) -> dict[str, set[str]]:
    found = project.value("segments_defined_by()", {**VARS, **variables})
    return {metric: {*known["schemes"], *known["segments"]} for metric, known in found.items()}


def test_a_definition_names_metrics_by_rules_references_scores_and_features(
    project: GrammarProject,
) -> None:
    found = defined_by(project)
    assert set(found) == set(METRICS + SCORES)
    assert found["recency_days"] == found["recency_score"]
    by_recency = {"rfm", "lifecycle", "rule:lately", "rule:good_lately", "rule:keen_best"}
    assert found["recency_days"] == by_recency
    assert found["frequency"] == {"rfm", "purchase_rhythm", "rule:keen_best", "rule:absent"}
    by_revenue = {"spend_breaks", "value_tier", "spend_limits", "rule:good_lately"}
    assert found["monetary"] == by_revenue

    of_scores = [{"name": "risk", "column": "churn_risk"}, {"name": "m", "column": "monetary_mean"}]
    found = defined_by(project, cluster_features=of_scores)
    assert all("cluster" in found[metric] for metric in METRICS)
    assert found["recency_days"] == by_recency | {"cluster"}


def test_the_drift_planted_in_generated_orders_is_found(tmp_path: Path) -> None:
    """The customers' figures are counted here, by customer_ref: no records are linked."""
    companion = pytest.importorskip("demo_data")
    companion.generate(tmp_path / "raw", tmp_path / "truth", 3_000, seed=6)
    connection = duckdb.connect()
    connection.execute(f"set file_search_path = '{tmp_path / 'raw'}'")
    figures = connection.execute(
        """
        with orders as (
            select
                source_system || customer_ref as customer,
                timezone('America/New_York', ordered_at)::date as day,
                amount::double as amount
            from 'orders.parquet'
            where customer_ref is not null
        ),
        regions as (
            select
                source_system || coalesce(customer_ref, record_id) as customer,
                arg_max(region, loaded_at) as region
            from 'customers.parquet'
            group by all
            having region is not null
        )
        select
            'rule:' || case when region in ('NY', 'TX', 'OH') then region else 'other' end,
            as_of::date,
            (as_of::date - max(day) filter (amount >= 0))::double as recency_days,
            count(*) filter (amount >= 0) as frequency,
            sum(amount) as monetary
        from orders
        inner join regions using (customer)
        inner join range(timestamp '2017-06-01', timestamp '2018-01-02', interval 1 month)
            as periods (as_of) on day < as_of
        group by customer, region, as_of
        having frequency > 0
        """
    ).fetchall()
    members: dict[tuple[str, date], list[tuple[float, ...]]] = {}
    for segment, as_of, *values in figures:
        members.setdefault((segment, as_of), []).append(tuple(float(value) for value in values))
    drift = Drift(
        {key: dict(zip(METRICS, np.array(rows).T, strict=True)) for key, rows in members.items()}
    )
    alarms = drift.rows(
        "recommendation not like 'none%' and baseline = 'previous' and segment_key <> 'all'"
    )
    (planted,) = duckdb.read_parquet(str(tmp_path / "truth" / "drift.parquet")).fetchall()
    attribute, region, first_day, end_day = planted
    assert (attribute, f"rule:{region}") == ("region", *set(alarms["segment_key"]))
    # The month in which nobody buys, and the one in which all come back.
    months = [date.fromisoformat(day) for day in (first_day, end_day)]
    assert set(alarms["period"].dt.date) == {months[1], date(2017, 11, 1)}
    assert set(alarms["metric"]) == {"recency_days"}


# --- Cases -----------------------------------------------------------------------------------


def test_few_members_are_not_judged_and_nobody_is_no_error() -> None:
    drift = of_two([1.0] * 99, [50.0] * 400)
    assert set(drift.rows("test = 'psi'")["verdict"]) == {"too_few"}
    alone = Drift({("rule:x", BEFORE): {"frequency": np.ones(3)}})
    assert alone.rows().empty
    gone = Drift(
        {
            ("rule:x", BEFORE): {"frequency": np.ones(200)},
            ("rule:y", NOW): {"frequency": np.ones(200)},
            ("rfm:z", BEFORE): {"frequency": np.ones(200)},
            ("rfm:z", NOW): {"frequency": np.ones(200)},
        }
    )
    sizes = gone.rows("test = 'size_change' and baseline = 'previous'")
    found = dict(zip(sizes["segment_key"], sizes["statistic"], strict=True))
    assert found["rule:x"] == -1
    assert np.isnan(found["rule:y"])
    assert found["all"] == 0
