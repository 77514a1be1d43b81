"""Exclusive schemes that vars add: in every mart, with the members of a computation in Python."""

from __future__ import annotations

import functools
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from conftest import REFERENCE_VARS, TWO_CUSTOMERS, VARS, Build, Workshop, scenario
from rich.console import Console
from test_builds_oracle import (
    AS_OF,
    Expected,
    Identifier,
    expected_of,
    percentile_disc,
    reference_data,
    rfm_label,
)
from test_builds_values import differences, identifiers, known_references, openly, told_openly

from customer_segmentation.output.summary import print_summary
from customer_segmentation.output.trial import Trial, try_rule

LARGE_NAME = """Bob's "large" baskets; 100 %"""
# All that a user writes.
OWN_SCHEMES: dict[str, Any] = {
    "basket_size": {
        "description": "How much fits into the largest basket",
        "owner": "merchandising",
        "segments": [
            {
                "segment": "huge",
                "owner": "o'neill",
                "rule": {"metric": "largest_order", "at_least": 1_000_000},
            },
            {
                "segment": "large",
                "name": LARGE_NAME,
                "description": "One basket for the {{ whole }} family",
                "rule": {"metric": "largest_order", "at_least": 150},
                "recommended_action": "Ask what's missing",
                "channel": "e-mail",
                "offer": "free delivery",
            },
            {"segment": "medium", "rule": {"metric": "largest_order", "between": [50, 149.99]}},
            {"segment": "small", "else": True},
        ],
    },
    # Of prospects too.
    "visitors": {
        "who": "eligible",
        "segments": [
            {
                "segment": "often",
                "rule": {"metric": "sessions", "window_days": 365, "at_least": 2},
            },
            {"segment": "once", "rule": {"metric": "sessions", "at_least": 1}},
            {"segment": "never", "else": True},
        ],
    },
    "silence": {
        "who": "eligible",
        "segments": [
            {"segment": "short", "rule": {"metric": "recency_days", "at_most": 90}},
            {"segment": "long", "else": True},
        ],
    },
    "home": {"segments": [{"attribute": "region", "owner": "shops", "channel": "poster"}]},
    # Without else: most are in no segment.
    "rescue": {
        "segments": [
            {
                "segment": "quiet_spenders",
                "rule": {
                    "all": [
                        {"metric": "recency_days", "more_than": 180},
                        {"metric": "revenue", "at_least": 100},
                    ]
                },
            },
            {"segment": "thousand_orders", "rule": {"metric": "orders", "at_least": 1000}},
        ]
    },
    # Fitted limits: without else, of all eligible customers, and beside other segments.
    "spenders": {
        "segments": [
            {
                "segment": "top",
                "rule": {"metric": "revenue", "window_days": 365, "top_percent": 20},
            },
            {
                "segment": "good",
                "rule": {"metric": "revenue", "window_days": 365, "top_percent": 50},
            },
        ]
    },
    "surfers": {
        "who": "eligible",
        "segments": [
            {
                "segment": "keen",
                "rule": {"metric": "session_minutes", "window_days": 365, "top_percent": 40},
            },
            {"segment": "others", "else": True},
        ],
    },
    "attention": {
        "segments": [
            {
                "segment": "best",
                "rule": {
                    "all": [
                        {"metric": "revenue", "window_days": 365, "top_percent": 20},
                        {"any": [{"segment": "rfm:champions"}, {"segment": "rfm:loyal"}]},
                    ]
                },
            },
            {"segment": "calling", "rule": {"segment": "rule:quiet_or_returning_goods"}},
            {"segment": "calm", "else": True},
        ]
    },
}
OWN_VARS = {**REFERENCE_VARS, "schemes": {**VARS["schemes"], **OWN_SCHEMES}}
PARTIAL = ["rescue", "spenders"]
OF_ALL_ELIGIBLE = ["visitors", "silence", "surfers"]
EMPTY = ["basket_size:huge", "rescue:thousand_orders"]
PERIODS = [date(2024, month, 1) for month in range(2, 7)] + [AS_OF]

Segments = dict[Identifier, str]
# Of each fitted limit, and of each RFM score, the values in force.
Limits = Mapping[str, Any]


@scenario()
def own_schemes(workshop: Workshop) -> Build:
    folder = workshop.folder("own-schemes")
    return workshop.build(folder, reference_data().tables(), OWN_VARS, with_artifacts=True)


@scenario()
def one_shipped_scheme(workshop: Workshop) -> Build:
    """All that ship but one are left out."""
    schemes = {"purchase_rhythm": VARS["schemes"]["purchase_rhythm"]}
    folder = workshop.folder("one-shipped-scheme")
    variables = {"schemes": schemes, "predictions": {}}
    return workshop.build(folder, {"orders.csv": TWO_CUSTOMERS}, variables)


# --- What the definitions make of the raw rows -----------------------------------------------


@functools.cache
def made_at(as_of: date) -> Expected:
    return expected_of(reference_data(), as_of)


def limits_of(made: Expected) -> Limits:
    def cut(metric: str, percent: int) -> Any:
        values = [made.metric(key, metric, 365) for key in made.eligible]
        return percentile_disc([value for value in values if value > 0], 100 - percent)

    return {
        "top": cut("revenue", 20),
        "good": cut("revenue", 50),
        "keen": cut("session_minutes", 40),
        **made.cutpoints,
    }


def score(values: Mapping[int, Any], value: Any, is_lower_better: bool) -> int:
    """By stored cut points, of which the fifth is the best value."""
    sign = -1 if is_lower_better else 1
    if sign * value >= sign * values[5]:
        return 5
    return 1 + sum(sign * value > sign * values[number] for number in range(1, 5))


def largest_order(made: Expected, key: Identifier) -> Decimal:
    orders = [order.amount for order in made.by_customer[key] if order.is_completed]
    return max(orders, default=Decimal(0))


def members_of(scheme: str, made: Expected, limits: Limits) -> Segments:
    """The segment of each customer who is in one."""

    def basket_size(key: Identifier) -> str:
        amount = largest_order(made, key)
        return "large" if amount >= 150 else "medium" if amount >= 50 else "small"

    def visitors(key: Identifier) -> str:
        if made.metric(key, "sessions", 365) >= 2:
            return "often"
        return "once" if made.metric(key, "sessions") >= 1 else "never"

    def silence(key: Identifier) -> str:
        days = made.metric(key, "recency_days")
        return "short" if days is not None and days <= 90 else "long"

    def home(key: Identifier) -> str:
        return made.region.get(key, "unknown")

    def rescue(key: Identifier) -> str | None:
        is_quiet = made.metric(key, "recency_days") > 180
        return "quiet_spenders" if is_quiet and made.metric(key, "revenue") >= 100 else None

    def spenders(key: Identifier) -> str | None:
        revenue = made.metric(key, "revenue", 365)
        if revenue <= 0:
            return None
        return next((name for name in ("top", "good") if revenue >= limits[name]), None)

    def surfers(key: Identifier) -> str:
        minutes = made.metric(key, "session_minutes", 365)
        return "keen" if minutes > 0 and minutes >= limits["keen"] else "others"

    def attention(key: Identifier) -> str:
        features = made.features[key]
        label = rfm_label(
            score(limits["recency"], features["recency_days"], is_lower_better=True),
            score(limits["frequency"], features["frequency"], is_lower_better=False),
        )
        if spenders(key) == "top" and label in ("champions", "loyal"):
            return "best"
        return "calling" if key in made.rules["quiet_or_returning_goods"] else "calm"

    segment: Callable[[Identifier], str | None] = {
        "basket_size": basket_size,
        "visitors": visitors,
        "silence": silence,
        "home": home,
        "rescue": rescue,
        "spenders": spenders,
        "surfers": surfers,
        "attention": attention,
    }[scheme]
    if scheme in OF_ALL_ELIGIBLE:
        found = {key: segment(key) for key in made.eligible}
    else:
        found = made.of_buyers(segment)  # type: ignore[arg-type]
    return {key: name for key, name in found.items() if name is not None}


@functools.cache
def wanted(scheme: str, as_of: date = AS_OF) -> Segments:
    made = made_at(as_of)
    return members_of(scheme, made, limits_of(made))


OUTSIDE = ("prospect", "returns_only")


def keys_of(scheme: str) -> set[str]:
    """The segments that a scheme lists, also empty ones."""
    if scheme == "home":
        return {f"home:{region}" for region in ("north", "east", "south", "west", "unknown")} | {
            f"home:{name}" for name in OUTSIDE
        }
    outside = [] if scheme in OF_ALL_ELIGIBLE else OUTSIDE
    names = [part["segment"] for part in OWN_SCHEMES[scheme]["segments"]]
    return {f"{scheme}:{name}" for name in [*names, *outside]}


def test_the_people_are_in_every_segment_of_the_schemes() -> None:
    """Else the tests below would compare nothing."""
    for scheme in OWN_SCHEMES:
        found = {f"{scheme}:{name}" for name in wanted(scheme).values()}
        assert found == keys_of(scheme) - set(EMPTY), scheme
        assert (len(wanted(scheme)) < len(made_at(AS_OF).eligible)) is (scheme in PARTIAL)
    # Both prospects and buyers.
    for scheme in OF_ALL_ELIGIBLE:
        of_prospects = {
            wanted(scheme)[key] for key in made_at(AS_OF).eligible - made_at(AS_OF).buyers
        }
        assert of_prospects, scheme


# --- The marts -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", OWN_SCHEMES)
def test_members_are_those_of_an_independent_computation(own_schemes: Build, scheme: str) -> None:
    known = identifiers(own_schemes)
    rows = own_schemes.rows(
        "select customer_id, segment_key, reason from segment_memberships "
        f"where scheme = '{scheme}'"
    )
    assert len({customer for customer, *_ in rows}) == len(rows), "in two segments"
    got = {known[customer]: key for customer, key, _ in rows}
    expected = {key: f"{scheme}:{name}" for key, name in wanted(scheme).items()}
    assert not differences(known_references(got), openly(expected))
    assert len(rows) == len(expected)
    assert all(reason and len(reason) <= 200 for *_, reason in rows), scheme


def reasons_of(build: Build, scheme: str) -> dict[Identifier, dict[str, str]]:
    """The clauses of each reason, value by subject."""
    known = identifiers(build)
    rows = build.rows(
        f"select customer_id, reason from segment_memberships where scheme = '{scheme}'"
        f" and segment_key not in ('{scheme}:prospect', '{scheme}:returns_only')"
    )
    return known_references(
        {
            known[customer]: dict(clause.split(": ", 1) for clause in reason.split("; "))
            for customer, reason in rows
        }
    )


def test_reasons_name_the_values_that_the_rules_look_at(own_schemes: Build) -> None:
    made = made_at(AS_OF)
    for key, reason in reasons_of(own_schemes, "basket_size").items():
        assert list(reason) == ["largest order"]
        assert Decimal(reason["largest order"]) == largest_order(made, key)
    for key, reason in reasons_of(own_schemes, "visitors").items():
        assert {subject: int(value) for subject, value in reason.items()} == {
            "sessions in the last 365 days": made.metric(key, "sessions", 365),
            "sessions": made.metric(key, "sessions"),
        }
    for key, reason in reasons_of(own_schemes, "home").items():
        assert reason == {"region": made.region.get(key, "unknown")}
    for key, reason in reasons_of(own_schemes, "rescue").items():
        assert int(reason["days since the last completed order"]) == made.metric(
            key, "recency_days"
        )
        assert Decimal(reason["revenue"]) == made.metric(key, "revenue")
        assert int(reason["orders"]) == made.metric(key, "orders")
    for key, reason in reasons_of(own_schemes, "spenders").items():
        revenue = Decimal(reason["revenue in the last 365 days"])
        assert revenue == made.metric(key, "revenue", 365)
    for key, reason in reasons_of(own_schemes, "silence").items():
        days = made.metric(key, "recency_days")
        assert reason == {"days since the last completed order": str(days or "none")}
    for key, reason in reasons_of(own_schemes, "attention").items():
        assert Decimal(reason["revenue in the last 365 days"]) == made.metric(key, "revenue", 365)
        assert reason["rfm"] == made.schemes["rfm_segment"][key]


def test_every_exclusive_scheme_adds_up_to_the_eligible_customers(own_schemes: Build) -> None:
    eligible = len(made_at(AS_OF).eligible)
    counted = own_schemes.rows(
        "select scheme, count(*), count(distinct customer_id) from segment_memberships "
        "where scheme not in ('rule', 'journeys') group by all"
    )
    assert {scheme for scheme, *_ in counted} == {"rfm", "spend_breaks", "cluster"} | set(
        OWN_VARS["schemes"]
    )
    for scheme, memberships, customers in counted:
        assert memberships == customers, scheme
        assert (customers < eligible) if scheme in PARTIAL else (customers == eligible), scheme


@pytest.mark.parametrize("scheme", OWN_SCHEMES)
def test_segments_lists_those_of_the_scheme_and_no_other(own_schemes: Build, scheme: str) -> None:
    rows = own_schemes.rows(
        "select segment_key, segment, name, definition, description, is_exclusive, fitted_as_of "
        f"from segments where scheme = '{scheme}'"
    )
    assert {row[0] for row in rows} == keys_of(scheme)
    for key, segment, name, definition, description, is_exclusive, fitted_as_of in rows:
        assert key == f"{scheme}:{segment}"
        assert name
        assert definition
        assert description != definition
        assert is_exclusive
        is_fitted = scheme in ("spenders", "surfers", "attention") and segment not in OUTSIDE
        assert fitted_as_of == (AS_OF if is_fitted else None), key


def test_segments_carry_their_texts_and_limits(own_schemes: Build) -> None:
    columns = "name, description, owner, recommended_action, channel, offer, definition"
    rows = own_schemes.rows(f"select segment, {columns} from segments where scheme = 'basket_size'")
    found = {row[0]: row[1:] for row in rows}
    assert found["large"][:-1] == (
        LARGE_NAME,
        "One basket for the {{ whole }} family",
        "merchandising",
        "Ask what's missing",
        "e-mail",
        "free delivery",
    )
    assert found["large"][-1] == "largest order at least 150, but not huge"
    assert found["medium"][0] == "Medium"
    assert found["medium"][2:6] == ("merchandising", None, None, None)
    assert found["medium"][-1] == "largest order between 50 and 149.99, but not huge or large"
    assert found["huge"][2] == "o'neill"
    assert found["small"][-1] == "not huge, large or medium"
    of_values = own_schemes.rows(
        "select distinct owner, channel, offer from segments where definition like 'region: %'"
    )
    assert of_values == [("shops", "poster", None)]
    ((definition,),) = own_schemes.rows(
        "select definition from segments where segment_key = 'spenders:top'"
    )
    limit = limits_of(made_at(AS_OF))["top"]
    assert (
        definition
        == f"revenue in the last 365 days in the top 20% (at least {limit:.2f}, ties included)"
    )
    ((definition,),) = own_schemes.rows(
        "select definition from segments where segment_key = 'home:north'"
    )
    assert definition == "region: north"


def test_cut_points_are_the_fitted_and_the_fixed_limits(own_schemes: Build) -> None:
    rows = own_schemes.rows(
        "select scheme, metric, cut_number, cut_value from segment_cutpoints "
        f"where scheme in {tuple(OWN_SCHEMES)}"
    )
    found = {tuple(row[:3]): row[3] for row in rows}
    assert len(found) == len(rows)
    limits = limits_of(made_at(AS_OF))
    assert found["spenders", "revenue__365d", 1] == pytest.approx(float(limits["good"]))
    assert found["spenders", "revenue__365d", 2] == pytest.approx(float(limits["top"]))
    assert found["surfers", "session_minutes__365d", 1] == pytest.approx(float(limits["keen"]))
    of_baskets = {key[1:]: value for key, value in found.items() if key[0] == "basket_size"}
    numbered = enumerate([50, 149.99, 150, 1_000_000], start=1)
    assert of_baskets == {("largest_order__all", number): value for number, value in numbered}


# --- History ---------------------------------------------------------------------------------


@functools.cache
def named() -> set[Identifier]:
    """Customers whose reference the marts show: an e-mail address is a hash there."""
    return {key for key in reference_data().identifiers() if told_openly(key)}


def spells(scheme: str) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    is_in: dict[tuple[Identifier, str], date] = {}
    for period in PERIODS:
        now = {(key, name) for key, name in wanted(scheme, period).items()}
        for member in is_in.keys() - now:
            found[*member, is_in.pop(member), period] += 1
        for member in now - is_in.keys():
            is_in[member] = period
    for member, since in is_in.items():
        found[*member, since, None] += 1
    return Counter({spell: times for spell, times in found.items() if spell[0] in named()})


@pytest.mark.parametrize("scheme", OWN_SCHEMES)
def test_history_has_the_spells_of_every_period(own_schemes: Build, scheme: str) -> None:
    known = identifiers(own_schemes)
    rows = own_schemes.rows(
        "select customer_id, segment_key, valid_from, valid_to from segment_history "
        f"where scheme = '{scheme}'"
    )
    got = Counter(
        (known[customer], key.removeprefix(f"{scheme}:"), since, until)
        for customer, key, since, until in rows
        if known[customer] in named()
    )
    assert got == spells(scheme)


def changes(scheme: str) -> dict[tuple[Any, ...], str]:
    """(customer, segment, change, date) and the cause: the new limits alone, or the customer."""
    found: dict[tuple[Any, ...], str] = {}
    for period, earlier in zip(PERIODS, [None, *PERIODS[:-1]], strict=True):
        now = wanted(scheme, period)
        before = wanted(scheme, earlier) if earlier else {}
        by_old_limits = members_of(scheme, made_at(period), limits_of(made_at(earlier or period)))
        for key in now.keys() | before.keys():
            if now.get(key) == before.get(key) or key not in named():
                continue
            is_known = earlier is not None and key in made_at(earlier).eligible
            is_refit = is_known and by_old_limits.get(key) == before.get(key)
            for change, name in (("exited", before.get(key)), ("entered", now.get(key))):
                if name is not None:
                    found[key, name, change, period] = "refit" if is_refit else "behaviour"
    return found


@pytest.mark.parametrize(
    "scheme",
    OWN_SCHEMES,
)
def test_changes_have_the_cause_of_an_independent_computation(
    own_schemes: Build, scheme: str
) -> None:
    known = identifiers(own_schemes)
    rows = own_schemes.rows(
        "select customer_id, segment_key, change, changed_on, cause from segment_changes "
        f"where scheme = '{scheme}'"
    )
    got = {
        (known[customer], key.removeprefix(f"{scheme}:"), change, changed_on): cause
        for customer, key, change, changed_on, cause in rows
        if known[customer] in named()
    }
    expected = changes(scheme)
    assert got.keys() == expected.keys()
    wrong = {key: (got[key], cause) for key, cause in expected.items() if got[key] != cause}
    assert not wrong
    if scheme in ("spenders", "surfers"):
        assert set(expected.values()) == {"refit", "behaviour"}, "the people have both"


@pytest.mark.parametrize("scheme", OWN_SCHEMES)
def test_transitions_count_who_moved_where(own_schemes: Build, scheme: str) -> None:
    def key_of(name: str | None) -> str:
        return "outside" if name is None else f"{scheme}:{name}"

    expected: Counter[tuple[Any, ...]] = Counter()
    for earlier, period in itertools.pairwise(PERIODS):
        before, now = wanted(scheme, earlier), wanted(scheme, period)
        for customer in before.keys() | now.keys():
            expected[period, key_of(before.get(customer)), key_of(now.get(customer))] += 1
    rows = own_schemes.rows(
        "select period, from_segment, to_segment, customers from segment_transitions "
        f"where scheme = '{scheme}'"
    )
    assert {row[:3]: row[3] for row in rows} == expected


# --- Figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", OWN_SCHEMES)
def test_kpis_are_sizes_and_revenue_of_every_period(own_schemes: Build, scheme: str) -> None:
    rows = own_schemes.rows(
        "select period, segment_key, customers, revenue, customer_share, period_revenue "
        f"from segment_kpis where scheme = '{scheme}'"
    )
    assert {row[:2] for row in rows} == {
        (period, key) for period in PERIODS for key in keys_of(scheme)
    }
    for period, segment_key, customers, revenue, share, period_revenue in rows:
        made = made_at(period)
        name = segment_key.removeprefix(f"{scheme}:")
        members = {key for key, found in wanted(scheme, period).items() if found == name}
        assert customers == len(members), (period, segment_key)
        assert revenue == sum((made.features[key]["monetary"] for key in members), Decimal(0))
        assert share == pytest.approx(len(members) / len(made.eligible), abs=1e-5)
        assert (period_revenue is None) is (period == AS_OF)


def test_drift_is_measured_for_each_scheme(own_schemes: Build) -> None:
    for scheme in OWN_SCHEMES:
        rows = own_schemes.rows(
            "select period, segment_key, test, statistic from segment_drift "
            "where baseline = 'previous' and "
            f"(starts_with(segment_key, '{scheme}:') or metric = '{scheme}')"
        )
        of_scheme = {(row[0], row[2]) for row in rows if row[1] == "all"}
        assert of_scheme == {
            (period, test) for period in PERIODS[1:] for test in ("chi_square", "cramers_v")
        }
        changes = {row[:2]: row[3] for row in rows if row[2] == "size_change"}
        for earlier, period in itertools.pairwise(PERIODS):
            before, now = Counter(wanted(scheme, earlier).values()), wanted(scheme, period)
            for name, size in before.items():
                change = Counter(now.values())[name] / size - 1
                found = changes[period, f"{scheme}:{name}"]
                assert found == pytest.approx(change, abs=1e-5), (period, name)
        metrics = {row[1] for row in rows if row[2] == "psi"}
        assert metrics >= {f"{scheme}:{name}" for name in wanted(scheme).values()} - {
            f"{scheme}:{name}" for name in OUTSIDE
        }


def test_profiles_are_the_means_of_the_members(own_schemes: Build) -> None:
    made = made_at(AS_OF)
    for scheme in OWN_SCHEMES:
        for name in set(wanted(scheme).values()):
            members = [key for key, found in wanted(scheme).items() if found == name]
            rows = own_schemes.rows(
                "select feature, members, mean from segment_profiles "
                f"where segment_key = '{scheme}:{name}'"
            )
            found = {feature: mean for feature, _, mean in rows}
            sizes = {feature: size for feature, size, _ in rows}
            for feature, metric in (("orders__365d", "orders"), ("revenue__365d", "revenue")):
                values = [made.metric(key, metric, 365) for key in members]
                assert sizes[feature] == len(members), (scheme, name)
                assert found[feature] == pytest.approx(float(sum(values)) / len(values), abs=1e-5)


def test_overlaps_count_the_customers_in_both(own_schemes: Build) -> None:
    rows = own_schemes.rows(
        "select segment_key, other_segment_key, customers, share from segment_overlaps "
        "where segment_key = 'basket_size:large'"
    )
    found = {other: customers for _, other, customers, _ in rows}
    large = {key for key, name in wanted("basket_size").items() if name == "large"}
    for scheme in OWN_SCHEMES.keys() - {"basket_size"}:
        both = Counter(name for key, name in wanted(scheme).items() if key in large)
        got = {key: size for key, size in found.items() if key.startswith(f"{scheme}:")}
        assert got == {f"{scheme}:{name}": size for name, size in both.items()}, scheme
    for _, other, customers, share in rows:
        assert share == pytest.approx(customers / len(large), abs=1e-5), other


# --- What people call ------------------------------------------------------------------------


def tried(
    build: Build, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, rule: dict[str, Any]
) -> Trial:
    monkeypatch.chdir(build.passed().folder)
    return try_rule(json.dumps(rule), build.folder / "target", workshop.builder.project)


def test_a_rule_may_name_a_segment_of_an_own_scheme(
    own_schemes: Build, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"all": [{"segment": "basket_size:large"}, {"segment": "visitors:often"}]}
    trial = tried(own_schemes, workshop, monkeypatch, rule)
    members = {customer for (customer,) in trial.members.select("customer_id").fetchall()}
    both = own_schemes.rows(
        "select customer_id from segment_memberships "
        "where segment_key in ('basket_size:large', 'visitors:often') "
        "group by customer_id having count(*) = 2"
    )
    assert members == {customer for (customer,) in both}
    assert members
    assert trial.words == "in basket_size:large and in visitors:often"
    assert {key for key, *_ in trial.overlaps} >= {"basket_size:large", "visitors:often"}


def test_the_summary_shows_the_schemes(own_schemes: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_schemes.passed().folder)
    console = Console(width=200, record=True, file=io.StringIO())
    print_summary(own_schemes.folder / "target", console, full=True)
    printed: dict[str, list[list[str]]] = {}
    scheme = ""
    for line in console.export_text().split("\nSince ")[0].splitlines():
        # Columns are two spaces apart; a row without a scheme is of the one above.
        words = re.split(r" {2,}", line)
        if len(words) >= 5:
            scheme = words[0].strip() or scheme
            printed.setdefault(scheme, []).append(words[1:3])
    large = Counter(wanted("basket_size").values())["large"]
    assert [LARGE_NAME, str(large)] in printed["basket_size"]
    for name in OWN_SCHEMES:
        # Who bought nothing is in the first line, once.
        members = [segment for segment in wanted(name).values() if segment not in OUTSIDE]
        sizes = sorted(Counter(members).values())
        assert sorted(int(size) for _, size in printed[name]) == sizes, name


def test_every_segment_of_the_shipped_schemes_says_who_does_what_and_how(reference: Build) -> None:
    """Clusters, bands, values of an attribute and prospects; rules and limits are the test's."""
    lacking = reference.passed().rows(
        "select segment_key, owner, recommended_action, channel from segments"
        " where scheme not in ('rule', 'spend_limits') and"
        " (name is null or owner is null or recommended_action is null or channel is null)"
    )
    assert lacking == []
    actions = reference.rows(
        "select count(*), count(*) filter (next_action = recommended_action)"
        " from customer_segments left join segments on segment_key = next_action_segment"
    )
    assert actions[0][0] == actions[0][1] > 0


# --- Shipped schemes that are left out -------------------------------------------------------


def test_a_scheme_that_is_left_out_is_a_column_of_nulls(
    one_shipped_scheme: Build, reference: Build
) -> None:
    def contract(build: Build) -> list[tuple[Any, ...]]:
        return build.rows(
            "select column_name, data_type from information_schema.columns "
            "where table_name in ('customer_segments', 'customer_history') "
            "order by table_name, ordinal_position"
        )

    assert contract(one_shipped_scheme.passed()) == contract(reference)
    columns = "value_tier, spend_limit, lifecycle, demographic, value_outlook, purchase_rhythm"
    rows = one_shipped_scheme.rows(f"select {columns} from customer_segments")
    assert rows == [(None, None, None, None, None, "occasional")] * 2
    schemes = one_shipped_scheme.rows(
        "select distinct scheme from segments union select distinct scheme from segment_kpis"
    )
    assert {scheme for (scheme,) in schemes} == {
        "rfm", "spend_breaks", "cluster", "rule", "purchase_rhythm",
    }  # fmt: skip
