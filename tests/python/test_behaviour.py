"""Sessions, metrics, scores, carts and interests: the models against pandas, and over time."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import yaml
from behaviour_oracle import Behaviour, Row, expected
from examples import examples
from hypothesis import Phase, given
from hypothesis import strategies as st
from rule_grammar_project import ROOT, GrammarProject
from sklearn.metrics import roc_auc_score

from demo_data.orders import make_orders

MODELS = {
    "staging": ["int_staging__bot_days"],
    "facts": [
        f"int_facts__{name}" for name in ("events", "orders", "lines", "touchpoints", "sessions")
    ],
    "features": [
        "int_features__interests",
        "int_features__customers_measured",
    ],
}
TEXT, DAY, MONEY = pa.string(), pa.date32(), pa.decimal128(18, 2)
INSTANT = pa.timestamp("us", tz="UTC")
INPUTS: dict[str, dict[str, pa.DataType]] = {
    "stg_events": dict.fromkeys(
        ["event_id", "source_system", "anonymous_id", "customer_ref", "session_id", "event_type"],
        TEXT,
    )
    | dict.fromkeys(["product_id", "device", "country", "referrer"], TEXT)
    | {"occurred_at": INSTANT, "occurred_on": DAY},
    "stg_identity_links": dict.fromkeys(["source_system", "customer_ref", "anonymous_id"], TEXT)
    | {"seen_on": DAY},
    "stg_orders": dict.fromkeys(["order_id", "source_system", "customer_ref", "status"], TEXT)
    | {"ordered_at": INSTANT, "ordered_on": DAY, "amount": MONEY},
    "stg_order_lines": dict.fromkeys(["order_id", "source_system", "product_id"], TEXT)
    | {"amount": MONEY, "discount_amount": MONEY},
    "stg_products": {"product_id": TEXT, "category": TEXT},
    "stg_tickets": dict.fromkeys(["source_system", "customer_ref", "channel"], TEXT)
    | {"opened_on": DAY, "rating": MONEY},
    "stg_campaign_contacts": dict.fromkeys(["source_system", "customer_ref"], TEXT)
    | {"contacted_on": DAY},
    "stg_campaign_responses": dict.fromkeys(["source_system", "customer_ref"], TEXT)
    | {"responded_on": DAY},
    "int_identity__references": dict.fromkeys(["source_system", "customer_ref"], TEXT)
    | {"customer_key": pa.int64()},
    "int_identity__customers_resolved": {"customer_key": pa.int64(), "is_excluded": pa.bool_()}
    | dict.fromkeys(
        ["customer_id", "age_band", "gender", "income_band", "household_size", "loyalty_tier"],
        TEXT,
    )
    | {"region": TEXT, "country": TEXT, "known_from": DAY},
    "int_periods": {"as_of": DAY, "is_built": pa.bool_(), "models_fitted_as_of": DAY}
    | {"is_current": pa.bool_()},
    # Words have tests of their own.
    "int_facts__tickets": {
        "customer_key": pa.int64(),
        "day": DAY,
        "sentiment": pa.float64(),
    },
}
DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
# Limits so low that few rows reach them.
SMALL = DEFAULTS | {
    "timezone": "America/New_York",
    "bot_events_per_day": 9,
    "bot_events_per_minute": 4,
    "big_purchase": {"times": 2, "after_orders": 2},
}
ZONE = ZoneInfo("America/New_York")
FIRST = date(2024, 3, 1)  # a Friday; summer time begins on the 10th

_projects: list[GrammarProject] = []


@pytest.fixture(scope="module", autouse=True)
def _project(project: GrammarProject) -> None:
    _projects.append(project)


@functools.cache
def rendered(folder: str, model: str, vars_json: str) -> str:
    template = (ROOT / "models" / folder / f"{model}.sql").read_text(encoding="utf-8")
    return _projects[0].render(template, json.loads(vars_json))


class Built:
    """What the models make of behaviour, as of some dates."""

    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'; set threads = 1")

    def __init__(self, raw: Behaviour, as_of: Sequence[date], variables: Row | None = None) -> None:
        def day(moment: datetime | None) -> date | None:
            return None if moment is None else moment.astimezone(ZONE).date()

        tables: dict[str, list[Row]] = {name: [] for name in INPUTS}
        tables["stg_events"] = [r | {"occurred_on": day(r["occurred_at"])} for r in raw.events]
        tables["stg_identity_links"] = [r | {"seen_on": day(r["seen_at"])} for r in raw.links]
        tables["stg_orders"] = [r | {"ordered_on": day(r["ordered_at"])} for r in raw.orders]
        tables["stg_order_lines"] = raw.lines
        tables["stg_products"] = [
            {"product_id": product, "category": name} for product, name in raw.category.items()
        ]
        tables["int_identity__references"] = [
            {"source_system": system, "customer_ref": reference, "customer_key": key}
            for (system, reference), key in raw.customer_of.items()
        ]
        tables["int_identity__customers_resolved"] = [
            {"customer_key": key, "customer_id": str(key), "is_excluded": key in raw.excluded}
            | {"loyalty_tier": raw.tier.get(key)}
            for key in sorted(set(raw.customer_of.values()))
        ]
        tables["int_periods"] = [
            {"as_of": day, "is_built": True, "is_current": day == max(as_of)} for day in as_of
        ]
        for name, columns in INPUTS.items():
            schema = pa.schema(list(columns.items()))
            rows = [{column: row.get(column) for column in columns} for row in tables[name]]
            self.connection.register("content", pa.Table.from_pylist(rows, schema))
            self.create(name, "from content")
        vars_json = json.dumps(variables or SMALL)
        for folder, models in MODELS.items():
            for model in models:
                self.create(model, rendered(folder, model, vars_json))
        self.features = self.read("int_features__customers_measured order by as_of, customer_key")
        self.interests = self.read("int_features__interests")

    def create(self, table: str, sql: str) -> None:
        self.connection.execute(f"create or replace table {table} as {sql}")

    def read(self, table: str) -> list[Row]:
        found = self.connection.sql(f"from {table}").to_arrow_table().to_pylist()
        return [dict(row) for row in found]

    def at(self, as_of: date) -> dict[int, Row]:
        return {row["customer_key"]: row for row in self.features if row["as_of"] == as_of}


def assert_same(got: Row, wanted: Row) -> None:
    """Every feature of the oracle; money to the cent, the others to what rounding leaves."""
    for name, value in wanted.items():
        if name in ("shares", "recent_shares"):
            continue
        found = got[name]
        assert (found is None) == (value is None), (name, found, value)
        if value is not None:
            exact = 0.0051 if "revenue" in name or "value" in name else 2e-5
            assert float(found) == pytest.approx(float(value), abs=exact), name


# --- Generated behaviour -----------------------------------------------------------------------

CUSTOMER_OF = {("web", "C1"): 1, ("web", "C2"): 2, ("web", "C3"): 3, ("app", "C1"): 1}
CATEGORIES = {"P1": "dairy", "P2": "bakery", "P3": None, "P4": "dairy"}
# Few minutes of few days, so that silences, bots, midnights and the change of time meet.
MINUTES = [0, 5, 34, 35, 36, 700, 1425, 1439]


def behaviour(seed: int) -> Behaviour:
    """Rows in which everything happens: shared visitors, late links, bots, returns, gaps."""
    pick = random.Random(seed)

    def moment(days: range = range(100)) -> datetime:
        midnight = datetime.combine(FIRST, datetime.min.time(), ZONE).astimezone(UTC)
        return midnight + timedelta(days=pick.choice(days), minutes=pick.choice(MINUTES))

    def cents() -> Decimal:
        return Decimal(pick.randint(0, 3000)) / 100

    def system() -> str:
        return pick.choice(["web", "web", "app"])

    def reference() -> str:
        return pick.choice(["C1", "C1", "C2", "C3", "gone"])

    events: list[Row] = []
    for number in range(pick.randint(0, 120)):
        visitor = pick.choice(["a", "b", "c", "d", None])
        # A session of the source belongs to one visitor.
        session = pick.choice([None, f"{visitor}-1", f"{visitor}-2"]) if visitor else None
        types = ["page_view", "add_to_cart", "add_to_cart", "remove_from_cart", "purchase"]
        types += ["product_view", "product_view", "search", "checkout"]
        events.append(
            {
                "event_id": f"e{number:03}",
                "source_system": system(),
                "anonymous_id": visitor,
                "customer_ref": reference() if pick.random() < 0.2 else None,
                "session_id": session,
                "event_type": pick.choice(types),
                "occurred_at": moment(pick.choice([range(100), range(60, 67)])),
                "product_id": pick.choice([*CATEGORIES, None]),
                "device": pick.choice([None, "mobile", "desktop"] * 10 + ["Bot"]),
                "country": pick.choice([None, "US", "CA"]),
                "referrer": pick.choice([None, "search"]),
            }
        )
    links = [
        {
            "source_system": system(),
            "customer_ref": reference(),
            "anonymous_id": pick.choice("abcd"),
            "seen_at": moment() if pick.random() < 0.9 else None,
        }
        for _ in range(pick.randint(0, 6))
    ]
    orders: list[Row] = []
    lines: list[Row] = []
    for number in range(pick.randint(0, 40)):
        status = pick.choice(["completed"] * 6 + ["returned", "ignored"])
        sign = -1 if status == "returned" else 1
        order = {
            "order_id": f"o{number}",
            "source_system": system(),
            "customer_ref": pick.choice([reference(), reference(), None]),
            "ordered_at": moment(),
            "amount": sign * cents(),
            "status": status,
        }
        orders.append(order)
        for _ in range(pick.randint(0, 3)):
            line = {name: order[name] for name in ("order_id", "source_system")}
            line |= {"product_id": pick.choice([*CATEGORIES, None]), "amount": sign * cents()}
            line |= {"discount_amount": pick.choice([None, Decimal(0), Decimal("0.5")])}
            lines.append(line)
    people = CUSTOMER_OF, frozenset({3}), {1: "Gold"}
    return Behaviour(events, links, orders, lines, CATEGORIES, *people)


seeds = st.integers(0, 10**9)
DATES = [FIRST + timedelta(days=days) for days in (40, 65, 102)]


@examples(24, [Phase.generate])
@given(seeds)
def test_features_are_those_of_the_definitions(seed: int) -> None:
    raw = behaviour(seed)
    built = Built(raw, DATES)
    for as_of in DATES:
        wanted = expected(raw, as_of, ZONE, SMALL)
        got = built.at(as_of)
        assert got.keys() == wanted.keys()
        for key, features in wanted.items():
            assert_same(got[key], features)
            shares = [
                (row["category"], row["spend_share"], row["recent_share"])
                for row in built.interests
                if (row["as_of"], row["customer_key"]) == (as_of, key) and row["category"]
            ]
            for position, name in enumerate(["shares", "recent_shares"], start=1):
                told = {row[0]: row[position] for row in shares if row[position] is not None}
                assert told == pytest.approx(features[name], abs=2e-6)


@examples(24, [Phase.generate])
@given(seeds, st.sampled_from(DATES[:2]))
def test_what_comes_later_changes_no_feature_before_it(seed: int, as_of: date) -> None:
    """Events, links, orders and lines of as_of and after it, as if they had not come yet."""
    raw = behaviour(seed)

    def known(rows: list[Row], instant: str) -> list[Row]:
        return [r for r in rows if r[instant] is None or r[instant].astimezone(ZONE).date() < as_of]

    orders = known(raw.orders, "ordered_at")
    placed = {(row["source_system"], row["order_id"]) for row in orders}
    earlier = replace(
        raw,
        events=known(raw.events, "occurred_at"),
        links=known(raw.links, "seen_at"),
        orders=orders,
        lines=[row for row in raw.lines if (row["source_system"], row["order_id"]) in placed],
    )
    then = Built(earlier, [as_of]).at(as_of)
    now = Built(raw, [as_of, *DATES[2:]]).at(as_of)
    assert now == then


@examples(12, [Phase.generate])
@given(seeds)
def test_a_score_is_the_sum_of_its_parts(seed: int) -> None:
    built = Built(behaviour(seed), DATES[1:])
    # What the scores are made of is passed on as it is.
    built.create("int_segmentation__customers_scored", "from int_features__customers_measured")
    built.create("score_parts", rendered("marts/customers", "score_parts", json.dumps(SMALL)))
    sums: dict[tuple[str, str], float] = {}
    for part in built.read("score_parts"):
        assert (part["value"] is None) == (part["contribution"] is None)
        if part["value"] is not None:
            assert 0 <= part["value"] <= 1
            key = part["customer_id"], part["score"]
            sums[key] = sums.get(key, 0) + part["contribution"]
    scores = {
        (row["customer_id"], name): row[name]
        for row in built.features
        if row["as_of"] == DATES[2]
        for name in [*SMALL["score_weights"], "churn_risk"]
        if row[name] is not None
    }
    assert scores.keys() == sums.keys()
    for key, value in scores.items():
        assert 0 <= value <= 1
        assert value == pytest.approx(sums[key], abs=1e-5)


# --- Planted behaviour ---------------------------------------------------------------------------


def test_who_stopped_for_good_has_a_higher_churn_risk() -> None:
    """Customers of the generator, each with a pace of its own; a third stopped before as_of."""
    rng = np.random.default_rng(5)
    since = np.datetime64("2015-01-01T12:00:00", "s") + rng.integers(0, 86_400 * 1000, 1500)
    made = make_orders(rng, since)
    orders = [
        {
            "order_id": str(number),
            "source_system": "web",
            "customer_ref": str(index),
            "ordered_at": moment.replace(tzinfo=UTC),
            "amount": Decimal(int(cents)) / 100,
            "status": "completed" if cents > 0 else "returned",
        }
        for number, (index, moment, cents) in enumerate(
            zip(made.index, made.ordered_at.astype(datetime), made.cents, strict=True)
        )
    ]
    customer_of = {("web", str(index)): int(index) for index in np.unique(made.index)}
    as_of = date(2018, 1, 1)
    buyers = Built(Behaviour([], [], orders, [], {}, customer_of), [as_of]).at(as_of)
    risk = {key: row["churn_risk"] for key, row in buyers.items() if row["is_buyer"]}
    stopped = ~np.isnat(made.stopped[list(risk)])
    assert 0.2 < stopped.mean() < 0.6
    assert roc_auc_score(stopped, list(risk.values())) >= 0.9


# --- What is not there ---------------------------------------------------------------------------


def one_buyer(**others: Any) -> Behaviour:
    order = {"order_id": "o", "source_system": "web", "customer_ref": "C1", "amount": Decimal(9)}
    order |= {"ordered_at": datetime(2024, 4, 1, 12, tzinfo=UTC), "status": "completed"}
    return replace(Behaviour([], [], [order], [], {}, CUSTOMER_OF), **others)


def test_without_events_and_lines_what_is_made_of_them_is_null() -> None:
    buyer = Built(one_buyer(), [DATES[2]]).at(DATES[2])[1]
    missing = ["engagement_score", "variety", "categories", "discount_affinity", "top_category"]
    assert [buyer[name] for name in missing] == [None] * 5
    assert not buyer["has_events"]
    assert buyer["loyalty_score"] is not None
    assert buyer["churn_risk"] is not None


def test_the_metric_of_a_rule_may_read_lines_and_touchpoints() -> None:
    rules = {
        "varied": {"metric": "products", "window_days": 30, "at_least": 2},
        "upset": {"metric": "tickets", "at_least": 1},
        "mobile": {"metric": "mobile_share", "window_days": 90, "more_than": 0.5},
        "night_owls": {"metric": "night_share", "top_percent": 10},
    }
    row = Built(one_buyer(), [DATES[2]], SMALL | {"rule_segments": rules}).at(DATES[2])[1]
    assert [row["products__30d"], row["tickets__all"]] == [0, 0]
    assert [row["mobile_share__90d"], row["night_share__all"]] == [None, None]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score_weights": {}}, ["score_weights", "engagement_score"]),
        (
            {"score_weights": DEFAULTS["score_weights"] | {"churn_risk": {"silence": 1}}},
            ["score_weights", "churn_risk", "unknown key"],
        ),
        (
            {
                "score_weights": DEFAULTS["score_weights"]
                | {"momentum_score": {"orders": 0, "revenue": 0}}
            },
            ["momentum_score", "above 0"],
        ),
        ({"score_half_points": {"sessions": 0}}, ["score_half_points", "breadth"]),
        ({"loyalty_tiers": {"gold": 2}}, ["loyalty_tiers", "gold", "at most 1"]),
        ({"half_life_days": 0.5}, ["half_life_days", "whole number"]),
        (
            {"feature_windows": [*DEFAULTS["feature_windows"], {"metric": "revenue_trend"}]},
            ["revenue_trend", "all time", "60 days"],
        ),
        (
            {"metrics": {k: v for k, v in DEFAULTS["metrics"].items() if k != "session_depth"}},
            ["metrics", "session_depth", "scores"],
        ),
        (
            {
                "metrics": DEFAULTS["metrics"]
                | {
                    "m": {
                        k: v
                        for k, v in DEFAULTS["metrics"]["mobile_share"].items()
                        if k != "filter"
                    }
                }
            },
            ["'m'", "filter", "share"],
        ),
    ],
)
def test_a_bad_declaration_is_refused(changes: Row, words: list[str]) -> None:
    template = "{% do wide_table_windows() %}{% do score_parts() %}"
    window = "{'from_days_ago': none, 'to_days_ago': 0}"
    template += "{% do metric_aggregate(metrics().decayed_revenue, " + window + ") %}"
    message = _projects[0].complaint(template, DEFAULTS | changes)
    assert not [word for word in words if word not in message], message
