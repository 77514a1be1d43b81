"""Every row of the reference build against an independent computation of the definitions."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import REFERENCE_VARS, VARS, Build, Workshop, as_csv, scenario
from test_builds_oracle import (
    AS_OF,
    Expected,
    Identifier,
    Raw,
    expected_of,
    reference_data,
)

FEATURES = ["as_of", "recency_days", "frequency", "monetary", "monetary_mean", "tenure_days"]
FEATURES += ["purchase_days", "orders_365d", "revenue_365d", "is_buyer"]
COLUMNS = {
    "rfm_segment": "rfm",
    "value_tier": "value_tier",
    "spend_band": "spend_breaks",
    "spend_limit": "spend_limits",
    "purchase_rhythm": "purchase_rhythm",
    "lifecycle": "lifecycle",
    "demographic": "demographic",
    "cluster_key": "cluster",
}
RULES = list(VARS["rule_segments"])


@functools.cache
def data() -> Raw:
    return reference_data()


@functools.cache
def expected() -> Expected:
    return expected_of(data())


def told_openly(key: Identifier) -> bool:
    """False for the references that are an e-mail address or a phone number: those are hashed."""
    return "@" not in key[1] and not key[1].startswith("+")


def identifiers(build: Build) -> dict[str, Identifier]:
    """The identifier behind each customer_id."""
    rows = build.passed().rows(
        "select distinct customer_id, source_system, customer_ref from customer_records"
    )
    known = {customer_id: (source, reference) for customer_id, source, reference in rows}
    assert len(known) == len(rows), "no two references are one customer here"
    return known


def by_identifier(build: Build, columns: list[str], mart: str) -> dict[Identifier, dict[str, Any]]:
    known = identifiers(build)
    rows = build.rows(f"select customer_id, {', '.join(columns)} from {mart}")
    return {known[row[0]]: dict(zip(columns, row[1:], strict=True)) for row in rows}


def openly(of_customers: dict[Identifier, Any]) -> dict[Identifier, Any]:
    return {key: value for key, value in of_customers.items() if told_openly(key)}


def differences(got: dict[Any, Any], wanted: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    """Keys whose values differ, with (got, wanted)."""
    keys = [key for key in got.keys() | wanted.keys() if got.get(key) != wanted.get(key)]
    return {key: (got.get(key), wanted.get(key)) for key in sorted(keys, key=str)[:10]}


def known_references(of_customers: dict[Identifier, Any]) -> dict[Identifier, Any]:
    """Those that the raw data names: a hash in place of an e-mail address isn't one."""
    named = {key for key in data().identifiers() if told_openly(key)}
    return {key: value for key, value in of_customers.items() if key in named}


@scenario("reference")
def reference_as_csv(workshop: Workshop, _: Build) -> Build:
    """The same from CSV, rows and columns in another order, on one thread; without data tests."""
    tables = reference_data().tables()
    files = {f"{name}.csv": as_csv(table) for name, table in tables.items()}
    folder = workshop.folder("reference-as-csv")
    args = ["--threads", "1", "--exclude-resource-type", "test", "unit_test"]
    made = workshop.build(folder, files, REFERENCE_VARS, args)
    return replace(made, is_published=False)


def test_everyone_but_the_erased_is_a_customer_and_the_excluded_say_why(reference: Build) -> None:
    got = by_identifier(reference, ["exclusion_reason"], "customers")
    wanted = dict.fromkeys(data().identifiers() - data().erased) | data().excluded
    reasons = {key: value["exclusion_reason"] for key, value in got.items()}
    assert not differences(
        {key: (value,) for key, value in known_references(reasons).items()},
        {key: (value,) for key, value in openly(wanted).items()},
    )
    assert len(got) == len(wanted)


def test_features_of_every_customer_are_those_of_an_independent_computation(
    reference: Build,
) -> None:
    got = by_identifier(reference, FEATURES, "customer_features")
    wanted = expected().features
    assert not differences(known_references(got), openly(wanted))

    def others(features: dict[Identifier, dict[str, Any]], are: Any) -> Counter[Any]:
        return Counter(tuple(value.values()) for key, value in features.items() if not are(key))

    named = known_references(got).keys()
    assert others(got, named.__contains__) == others(wanted, told_openly)


@pytest.mark.parametrize("metric", ["recency", "frequency", "monetary"])
def test_scores_of_every_customer_are_those_of_an_independent_computation(
    reference: Build, metric: str
) -> None:
    column = f"{metric}_score"
    got = known_references(by_identifier(reference, [column], "customer_segments"))
    wanted = {key: {column: expected().scores[metric].get(key)} for key in expected().eligible}
    assert not differences(got, openly(wanted))


@pytest.mark.parametrize(
    "column",
    ["rfm_segment", "value_tier", "spend_limit", "purchase_rhythm", "lifecycle", "demographic"],
)
def test_segments_of_every_customer_are_those_of_an_independent_computation(
    reference: Build, column: str
) -> None:
    got = known_references(by_identifier(reference, [column], "customer_segments"))
    wanted = {key: {column: segment} for key, segment in expected().schemes[column].items()}
    assert not differences(got, openly(wanted))


@pytest.mark.parametrize("rule", RULES)
def test_members_of_a_rule_are_those_of_an_independent_computation(
    reference: Build, rule: str
) -> None:
    known = identifiers(reference)
    key = f"rule:{rule}"
    rows = reference.rows(
        f"select customer_id from segment_memberships where segment_key = '{key}'"
    )
    got = dict.fromkeys((known[customer_id] for (customer_id,) in rows), True)
    wanted = dict.fromkeys(expected().rules[rule], True)
    assert not differences(known_references(got), openly(wanted))
    assert len(got) == len(wanted)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_added_by_vars_alone_is_in_segments_memberships_and_kpis(
    reference: Build, rule: str
) -> None:
    key = f"segment_key = 'rule:{rule}'"
    members = len(expected().rules[rule])
    assert reference.rows(f"select scheme, segment, is_exclusive from segments where {key}") == [
        ("rule", rule, False)
    ]
    assert reference.rows(
        f"select customers from segment_kpis where {key} and period = date '{AS_OF}'"
    ) == [(members,)]
    reasons = reference.rows(f"select reason from segment_memberships where {key}")
    assert len(reasons) == members
    assert all(0 < len(reason) <= 200 for (reason,) in reasons)


def test_words_of_a_rule_are_published_as_they_were_written(reference: Build) -> None:
    told = VARS["rule_segments"]["northern_champions"]
    assert reference.passed().rows(
        "select name, description, owner from segments"
        " where segment_key = 'rule:northern_champions'"
    ) == [(told["name"], told["description"], told["owner"])]


def test_each_eligible_customer_is_in_one_segment_of_each_exclusive_scheme(
    reference: Build,
) -> None:
    rows = reference.rows(
        "select scheme, customer_id, min(segment_key), count(*) from segment_memberships"
        " where scheme <> 'rule' group by all"
    )
    assert {count for *_, count in rows} == {1}
    schemes: dict[str, dict[str, str]] = defaultdict(dict)
    for scheme, customer_id, segment_key, _ in rows:
        schemes[scheme][customer_id] = segment_key
    assert {len(members) for members in schemes.values()} == {len(expected().eligible)}
    wide = reference.query("select * from customer_segments").set_index("customer_id")
    # Outlooks have tests of their own.
    assert schemes.keys() == {*COLUMNS.values(), "value_outlook"}
    for column, scheme in COLUMNS.items():
        told = {key: f"{scheme}:{segment}" for key, segment in wide[column].items()}
        assert not differences(schemes[scheme], told), scheme


def share(value: float) -> Any:
    """Shares are rounded to six digits."""
    return pytest.approx(value, abs=6e-7)


def test_kpis_of_every_segment_add_up_from_its_members(reference: Build) -> None:
    features = reference.query("select * from customer_features").set_index("customer_id")
    members = reference.query("select segment_key, customer_id from segment_memberships")
    kpis = reference.query(f"select * from segment_kpis where period = date '{AS_OF}'").set_index(
        "segment_key"
    )
    of_segment = members.groupby("segment_key")["customer_id"].apply(list).to_dict()
    assert set(of_segment) <= set(kpis.index)
    buyers, revenue = features["is_buyer"].sum(), sum(features["monetary"].map(Decimal))
    for key, kpi in kpis.iterrows():
        own = features.loc[of_segment.get(key, [])]
        spent = sum((Decimal(str(value)) for value in own["monetary"]), Decimal(0))
        orders = int(own["frequency"].sum())
        assert kpi["customers"] == len(own), key
        assert kpi["customer_share"] == share(len(own) / len(features)), key
        if str(key).endswith((":prospect", ":returns_only")):
            assert pd.isna(kpi["buyer_share"]), key
        else:
            assert kpi["buyer_share"] == share(len(own) / buyers), key
        assert Decimal(str(kpi["revenue"])).quantize(Decimal("0.01")) == spent, key
        assert kpi["revenue_share"] == share(float(spent / revenue)), key
        if orders:
            mean = (spent / orders).quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert Decimal(str(kpi["average_order_value"])).quantize(Decimal("0.01")) == mean, key
        else:
            assert pd.isna(kpi["average_order_value"]), key
        assert pd.isna(kpi["period_revenue"]), key


def test_profiles_are_those_of_the_members(reference: Build) -> None:
    features = reference.query("select * from customer_features").set_index("customer_id")
    members = reference.query("select segment_key, customer_id from segment_memberships")
    joined = members.join(features[["frequency", "recency_days"]], on="customer_id")
    for feature, column in (("orders__all", "frequency"), ("recency_days__all", "recency_days")):
        rows = reference.rows(
            "select segment_key, members, mean, index from segment_profiles"
            f" where feature = '{feature}'"
        )
        everyone = features[column].astype("float").mean()
        told = {key: (count, mean, index) for key, count, mean, index in rows if count}
        for key, values in joined.groupby("segment_key")[column]:
            known = values.dropna().astype("float")
            if len(known):
                count, mean, index = told[key]
                assert count == len(known), (key, feature)
                assert mean == pytest.approx(known.mean()), (key, feature)
                expected = pytest.approx(100 * known.mean() / everyone, abs=5.1e-7)  # 6 digits
                assert index == expected, (key, feature)


def smallest_squared_deviations(values: np.ndarray[Any, Any], bands: int) -> float:
    """The least sum of squares within so many bands, by dynamic programming (Fisher 1958)."""
    ordered = np.sort(values)
    sums, squares = np.cumsum(np.r_[0, ordered]), np.cumsum(np.r_[0, ordered**2])
    count = len(ordered)
    lengths = np.arange(count + 1)[None, :] - np.arange(count + 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = squares[None, :] - squares[:, None] - (sums[None, :] - sums[:, None]) ** 2 / lengths
    cost[lengths <= 0] = np.inf
    best = cost[0]
    for _ in range(bands - 1):
        best = (best[:, None] + cost).min(axis=0)
    return float(best[count])


def test_spend_bands_are_natural_breaks_of_the_logarithm_of_monetary(reference: Build) -> None:
    rows = reference.query(
        "select spend_band, monetary::double as monetary from customer_segments"
        " inner join customer_features using (customer_id) where customer_features.is_buyer"
    )
    bands = rows.groupby("spend_band")["monetary"].agg(["min", "max"]).sort_index()
    assert bands.index.tolist() == [f"band_{number}" for number in range(1, 6)]
    assert (bands["max"].to_numpy()[:-1] < bands["min"].to_numpy()[1:]).all()
    logs = np.log1p(rows["monetary"].clip(lower=0))
    deviations = logs - logs.groupby(rows["spend_band"]).transform("mean")
    optimum = smallest_squared_deviations(logs.to_numpy(), 5)
    assert float((deviations**2).sum()) == pytest.approx(optimum)


def test_demographics_come_from_the_newest_record_that_knows(reference: Build) -> None:
    got = known_references(by_identifier(reference, ["region", "age_band"], "customers"))
    wanted = {
        key: {"region": data().region.get(key), "age_band": data().age_band.get(key)}
        for key in data().identifiers() - data().erased
    }
    assert not differences(got, openly(wanted))


def test_the_erased_and_the_excluded_are_in_nothing_else(reference: Build) -> None:
    known = identifiers(reference)
    assert not set(known.values()) & data().erased
    excluded = {key for key, identifier in known.items() if identifier in data().excluded}
    assert len(excluded) == len(data().excluded)
    marts = reference.rows(
        "select table_schema || '.' || table_name from information_schema.columns"
        " where column_name = 'customer_id'"
    )
    assert len(marts) >= 5
    for (mart,) in marts:
        if mart not in ("main.customers", "main.customer_records"):
            # Those who use segments are told to take somebody out, and nothing more of them.
            taken_out = " where message not in ('suppressed', 'deleted')"
            where = taken_out if mart == "main.activation_outbox" else ""
            ids = {row[0] for row in reference.rows(f"select customer_id from {mart}{where}")}
            assert not ids & excluded, mart


# --- Quarantine ------------------------------------------------------------------------------


def test_each_bad_order_is_quarantined_by_the_expected_rule(reference: Build) -> None:
    rows = reference.passed().rows(
        "select record_key, rule from monitoring.quarantined_records where source_table = 'orders'"
    )
    wanted = data().quarantined
    assert len(rows) == len(wanted)
    told: dict[str | None, list[str]] = defaultdict(list)
    for key, rule in rows:
        told[key].append(rule)
    hashed = [rules for key, rules in told.items() if key and not key.startswith("o0")]
    assert len(hashed) == 1, "one order_id is an e-mail address"
    wrong = {
        key: (told.get(key, hashed[0]), word)
        for key, word in wanted
        if not all(word in rule for rule in told.get(key, hashed[0]))
    }
    assert not wrong


def coverage(build: Build, table: str) -> dict[str, float]:
    return dict(
        build.passed().rows(
            "select check_name, value from monitoring.source_coverage"
            f" where source_table = '{table}'"
        )
    )


def test_each_order_row_has_one_fate(reference: Build) -> None:
    counts = coverage(reference, "orders")
    raw = data()
    assert counts["rows"] == len(raw.orders)
    assert counts["quarantined"] == len(raw.quarantined)
    assert counts["deduplicated"] == raw.deduplicated
    assert counts["loaded"] == len(raw.valid) + len(raw.cancelled)
    assert counts["rows"] == counts["loaded"] + counts["quarantined"] + counts["deduplicated"]


def test_guests_late_rows_and_bad_optional_fields_are_counted(reference: Build) -> None:
    counts = coverage(reference, "orders")
    raw = data()
    assert counts["guests"] == sum(order.customer is None for order in raw.valid)
    assert counts["after_as_of"] == sum(order.day >= AS_OF for order in raw.valid) == 1
    assert counts["unusable_loaded_at"] == 1
    assert coverage(reference, "customers")["unusable_birth_date"] == 1


def test_customer_records_without_an_id_are_quarantined(reference: Build) -> None:
    counts = coverage(reference, "customers")
    assert counts["rows"] == len(data().customers)
    assert counts["quarantined"] == 1
    assert counts["rows"] == counts["loaded"] + counts["quarantined"] + counts["deduplicated"]


def test_an_order_of_2087_does_not_move_as_of(reference: Build) -> None:
    assert reference.passed().rows("select distinct as_of from customer_features") == [(AS_OF,)]


# --- The same from other files, threads, dates -----------------------------------------------


def test_other_files_row_orders_and_threads_give_the_same_rows_in_every_mart(
    reference: Build, reference_as_csv: Build
) -> None:
    reference_as_csv.passed()
    # Without their schemas: the working file has others. It also has more rows and columns of the
    # tables in details, whose readers are compared.
    published = [mart.split(".") for mart in reference.passed().marts()]
    marts = {mart for schema, mart in published if schema != '"details"'}
    # The other build has no data tests.
    marts.remove('"data_tests"')
    assert len(marts) >= 14
    different = {}
    for mart in marts:
        one, other = (build.query(f"from {mart}") for build in (reference, reference_as_csv))
        assert list(one.columns) == list(other.columns), mart
        rows = [Counter(map(repr, frame.itertuples(index=False))) for frame in (one, other)]
        extra = (rows[0] - rows[1], rows[1] - rows[0])
        if any(extra):
            different[mart] = [list(counted.items())[:2] for counted in extra]
    assert not different


def test_the_history_has_each_month_and_as_of(reference: Build) -> None:
    periods = reference.passed().rows(
        "select distinct period::varchar from segment_kpis order by 1"
    )
    assert [period for (period,) in periods] == [
        "2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01", "2024-06-01", "2024-06-19",
    ]  # fmt: skip


@pytest.mark.parametrize("period", ["2024-02-01", "2024-04-01"])
def test_an_earlier_period_has_the_sizes_and_revenue_of_an_independent_computation(
    reference: Build, period: str
) -> None:
    then = expected_of(data(), date.fromisoformat(period))
    revenue = {key: features["monetary"] for key, features in then.features.items()}
    wanted: dict[str, tuple[int, Decimal]] = {}
    members: dict[str, list[Identifier]] = defaultdict(list)
    for column, segments in then.schemes.items():
        for key, segment in segments.items():
            members[f"{COLUMNS[column]}:{segment}"].append(key)
    for rule, keys in then.rules.items():
        members[f"rule:{rule}"].extend(keys)
    for segment_key, keys in members.items():
        if keys:
            wanted[segment_key] = len(keys), sum((revenue[key] for key in keys), Decimal(0))
    rows = reference.passed().rows(
        "select segment_key, customers, revenue from segment_kpis"
        f" where period = date '{period}' and customers > 0"
        " and scheme not in ('spend_breaks', 'cluster', 'value_outlook')"
    )
    assert not differences({key: (customers, spent) for key, customers, spent in rows}, wanted)
