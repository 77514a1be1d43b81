"""Var schemes: what is refused, what comes out of texts, what the shipped schemes mean."""

import csv
import json
import math
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import yaml
from rule_grammar_project import ROOT, GrammarProject
from test_rule_grammar import METRICS, RECENT

SHIPPED = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
LARGE = {"segment": "large", "rule": {"metric": "revenue", "at_least": 150}}
SMALL = {"segment": "small", "else": True}
VALIDATE = "{% set checked = schemes() %}"
REGION = {"attribute": "region"}


def with_schemes(schemes: Any, rules: Any = None) -> dict[str, Any]:
    return {"metrics": METRICS, "rule_segments": rules or {}, "schemes": schemes}


def baskets(*segments: Any, **others: Any) -> dict[str, Any]:
    return {"basket_size": {"segments": list(segments), **others}}


def ruled(rule: Any, **others: Any) -> dict[str, Any]:
    return baskets({"segment": "large", "rule": rule, **others}, SMALL)


def named(name: Any) -> dict[Any, Any]:
    return {name: {"segments": [LARGE, SMALL]}}


# --- What is refused -----------------------------------------------------------------------------

OF_LARGE = "Segment 'large' of scheme 'basket_size' in var schemes"
WHOLE = "a mapping with the keys segments and, where they apply, description, owner, who"
LIST = "a list of segments such as {segment: large, rule: {metric:"
NAME = "lower-case letters, digits and _, starting with a letter"
TEXTS = "name, description, owner, recommended_action, channel, offer"
LAST = "a segment with else or attribute in the last place"
FREE = "a name that is not taken"
WORDS = "a non-empty string"
KNOWN_BEFORE = "segments of rfm, spend_breaks, cluster, journeys and rule"
A_RULE = "a rule such as {metric:"

# The var; subject, place and finding; what must be offered.
BAD_SCHEMES: dict[str, tuple[Any, str, str]] = {
    "a list": ([LARGE], "Var schemes: found [a mapping with the keys segment, rule].", WHOLE),
    "a scheme that is a list": (
        {"basket_size": [LARGE]},
        "Var schemes, at basket_size: found [a mapping with the keys segment, rule].",
        WHOLE,
    ),
    "a scheme that is null": (
        {"basket_size": None},
        "Var schemes, at basket_size: found null.",
        WHOLE,
    ),
    "no key segments": (
        {"basket_size": {"owner": "crm"}},
        "Var schemes, at basket_size.segments: found nothing.",
        WHOLE,
    ),
    "no segments": (baskets(), "Var schemes, at basket_size.segments: found an empty list.", LIST),
    "segments are a mapping": (
        {"basket_size": {"segments": LARGE}},
        "Var schemes, at basket_size.segments: found a mapping with the keys segment, rule.",
        LIST,
    ),
    "a segment that is a text": (
        baskets("large"),
        "Var schemes, at basket_size.segments[0]: found 'large'.",
        "segments such as {segment: large",
    ),
    "unknown key of a scheme": (
        {"basket_size": {"segment": [LARGE]}},
        "at basket_size.segment: found an unknown key. Did you mean segments?",
        "the keys segments, description, owner, who",
    ),
    "unknown key of a segment": (
        ruled(RECENT, recomended_action="call"),
        "at basket_size.segments[0].recomended_action: found an unknown key. "
        "Did you mean recommended_action?",
        f"the keys segment, rule, {TEXTS}",
    ),
    "rule beside the segment": (
        baskets({"segment": "large", **RECENT}),
        "at basket_size.segments[0].metric: found an unknown key.",
        f"the keys segment, rule, {TEXTS}",
    ),
    "unknown who": (
        baskets(LARGE, who="buyer"),
        "at basket_size.who: found 'buyer'. Did you mean buyers?",
        "buyers, eligible",
    ),
    "owner that is no text": (
        baskets(LARGE, owner=7),
        "Var schemes, at basket_size.owner: found 7.",
        WORDS,
    ),
    "description that is empty": (
        baskets(LARGE, description=" "),
        "Var schemes, at basket_size.description: found ' '.",
        WORDS,
    ),
    "offer that is no text": (
        ruled(RECENT, offer=["10 %"]),
        f"{OF_LARGE}, at offer: found ['10 %'].",
        WORDS,
    ),
    "name that is empty": (ruled(RECENT, name=""), f"{OF_LARGE}, at name: found ''.", WORDS),
    "else before the last": (
        baskets(SMALL, LARGE),
        "Var schemes, at basket_size.segments[0]: found another segment after it.",
        LAST,
    ),
    "attribute before the last": (
        baskets(REGION, LARGE),
        "Var schemes, at basket_size.segments[0]: found another segment after it.",
        LAST,
    ),
    "two that take the rest": (
        baskets(LARGE, SMALL, {"segment": "others", "else": True}),
        "at basket_size.segments[1]: found another segment after it.",
        LAST,
    ),
    "else is false": (
        baskets(LARGE, {"segment": "small", "else": False}),
        "at basket_size.segments[1].else: found false.",
        "true",
    ),
    "else is 1": (
        baskets(LARGE, {"segment": "small", "else": 1}),
        "at basket_size.segments[1].else: found 1.",
        "true",
    ),
    "else is a text": (
        baskets(LARGE, {"segment": "small", "else": "true"}),
        "at basket_size.segments[1].else: found 'true'.",
        "true",
    ),
    "else beside a rule": (
        baskets({**LARGE, "else": True}),
        "at basket_size.segments[0].rule: found an unknown key.",
        "the keys segment, else",
    ),
    "no rule": (
        baskets({"segment": "large"}),
        "at basket_size.segments[0].rule: found nothing.",
        "segment, rule",
    ),
    "rule is null": (
        baskets({"segment": "large", "rule": None}),
        "at basket_size.segments[0].rule: found null.",
        A_RULE,
    ),
    "rule is a list": (
        baskets({"segment": "large", "rule": [RECENT]}),
        "at basket_size.segments[0].rule: found [a mapping",
        A_RULE,
    ),
    "rule is empty": (
        baskets({"segment": "large", "rule": {}}),
        "at basket_size.segments[0].rule: found an empty mapping.",
        A_RULE,
    ),
    "no name of a segment": (
        baskets({"rule": RECENT}),
        "at basket_size.segments[0].segment: found nothing.",
        "segment, rule",
    ),
    "two rules": (
        ruled({"all": [RECENT], "any": [RECENT]}),
        f"{OF_LARGE}: found the keys all, any.",
        "exactly one of all, any, not, metric, score, attribute, consent, date, sequence, "
        "bought_together, prediction, prediction_decile, segment, sample_percent",
    ),
    "unknown metric": (
        ruled({"any": [RECENT, {"metric": "ordrs", "at_least": 1}]}),
        f"{OF_LARGE}, at any[1].metric: found 'ordrs'. Did you mean orders?",
        "the metrics orders, revenue",
    ),
    "unknown attribute in a rule": (
        ruled({"attribute": "regoin", "in": ["north"]}),
        f"{OF_LARGE}, at attribute: found 'regoin'. Did you mean region?",
        "the attributes age_band, gender",
    ),
    "unknown attribute": (
        baskets({"attribute": "regoin"}),
        "at basket_size.segments[0].attribute: found 'regoin'. Did you mean region?",
        "the attributes age_band, gender",
    ),
    "attribute with values": (
        baskets({**REGION, "in": ["north"]}),
        "at basket_size.segments[0].in: found an unknown key.",
        "the keys attribute",
    ),
    "attribute with a name": (
        baskets({**REGION, "name": "Regions"}),
        "at basket_size.segments[0].name: found an unknown key.",
        "the keys attribute, description, owner, recommended_action, channel, offer",
    ),
    "attribute with an empty action": (
        baskets({**REGION, "recommended_action": " "}),
        "at basket_size.segments[0].recommended_action: found ' '.",
        WORDS,
    ),
    "text beside a rule": (
        ruled({**RECENT, "owner": "crm"}),
        f"{OF_LARGE}, at owner: found an unknown key.",
        "beside metric, the keys",
    ),
    "stay_until inside the rule": (
        ruled({**RECENT, "stay_until": RECENT}),
        f"{OF_LARGE}, at stay_until: found stay_until inside a rule.",
        "segment in var rule_segments",
    ),
    "stay_until beside the rule": (
        ruled(RECENT, stay_until=RECENT),
        "at basket_size.segments[0].stay_until: found an unknown key.",
        f"the keys segment, rule, {TEXTS}",
    ),
    "a segment of the scheme itself": (
        ruled({"not": {"segment": "basket_size:small"}}),
        f"{OF_LARGE}, at rule: found 'basket_size:small'.",
        KNOWN_BEFORE,
    ),
    "a segment of another declared scheme": (
        {"visits": {"segments": [SMALL]}, **ruled({"segment": "visits:small"})},
        f"{OF_LARGE}, at rule: found 'visits:small'.",
        KNOWN_BEFORE,
    ),
    "a segment of an unknown scheme": (
        ruled({"segment": "rfn:champions"}),
        f"{OF_LARGE}, at segment: found 'rfn:champions'.",
        "with a scheme of rfm, spend_breaks, cluster, journeys, basket_size, rule",
    ),
    "an unknown segment": (
        ruled({"segment": "rfm:champion"}),
        f"{OF_LARGE}, at segment: found 'rfm:champion'. Did you mean champions?",
        "the segments of rfm: hibernating",
    ),
}
for name in ("rfm", "spend_breaks", "cluster", "journeys", "rule", "all", "region", "age_band"):
    BAD_SCHEMES[f"scheme {name}"] = (named(name), f"the name of a scheme: found '{name}'.", FREE)
for name in (
    "is_buyer",
    "consent_to_activation",
    "as_of",
    "churn_risk",
    "recency_score",
    "cluster_distance",
):
    BAD_SCHEMES[f"scheme {name}"] = (named(name), f"the name of a scheme: found '{name}'.", FREE)
for name in ("Uppercase", "basket size", "a'b", "{{ x }}", "1st", "a;b", ""):
    BAD_SCHEMES[f"scheme {name}"] = (named(name), f"the name of a scheme: found '{name}'.", NAME)
for name in ("prospect", "returns_only", "large"):
    BAD_SCHEMES[f"segment {name}"] = (
        baskets(LARGE, {"segment": name, "rule": RECENT}),
        f"Var schemes, at basket_size.segments[1].segment: found '{name}'.",
        FREE,
    )
for name in ("Uppercase", "a b", "a'b", "x:y", "{% set x %}"):
    BAD_SCHEMES[f"segment {name}"] = (
        baskets(LARGE, {"segment": name, "else": True}),
        f"Var schemes, at basket_size.segments[1].segment: found '{name}'.",
        NAME,
    )


def assert_one_line(message: str, finding: str, offer: str) -> None:
    (line,) = [line for line in message.splitlines() if "Allowed: " in line]
    assert finding in line
    assert offer in line.split("Allowed: ")[1]


@pytest.mark.parametrize("case", BAD_SCHEMES)
def test_a_bad_scheme_names_place_finding_and_what_is_allowed(
    project: GrammarProject, case: str
) -> None:
    schemes, finding, offer = BAD_SCHEMES[case]
    message = project.complaint(VALIDATE, with_schemes(schemes))
    assert_one_line(message, finding, offer)


def test_a_reference_by_way_of_a_rule_segment_is_refused(project: GrammarProject) -> None:
    """Of another scheme and, in a circle, of the scheme itself."""
    for referred in ("basket_size:small", "visits:small"):
        rules = {"between": {"any": [RECENT, {"segment": referred}]}}
        schemes = {"visits": {"segments": [SMALL]}, **ruled({"segment": "rule:between"})}
        message = project.complaint(VALIDATE, with_schemes(schemes, rules))
        assert_one_line(message, f"{OF_LARGE}, at rule: found '{referred}'.", KNOWN_BEFORE)
    circle = {"one": {"segment": "rule:two"}, "two": {"segment": "rule:one"}}
    message = project.complaint(VALIDATE, with_schemes(ruled({"segment": "rule:one"}), circle))
    assert_one_line(message, "found a cycle of references, ", "no segment twice")


def test_rule_segments_may_name_declared_segments(project: GrammarProject) -> None:
    schemes = {**baskets(LARGE, SMALL), "home": {"segments": [REGION]}}
    schemes["visits"] = {"who": "eligible", "segments": [LARGE, SMALL]}

    def complaint(segment: str) -> str:
        return project.complaint(VALIDATE, with_schemes(schemes, {"one": {"segment": segment}}))

    for segment in ("basket_size:large", "basket_size:prospect", "home:anything", "visits:small"):
        rules = {"one": {"segment": segment}}
        assert project.value("rule_segments()", with_schemes(schemes, rules))
    finding = "at segment: found 'basket_size:larg'. Did you mean large?"
    assert_one_line(complaint("basket_size:larg"), finding, "large, small, prospect, returns_only")
    # Nobody is outside a scheme of all eligible customers.
    finding = "at segment: found 'visits:prospect'."
    assert_one_line(complaint("visits:prospect"), finding, "the segments of visits: large, small.")


@pytest.mark.parametrize("schemes", [{}, None])
def test_no_schemes_are_none(project: GrammarProject, schemes: Any) -> None:
    assert project.value("schemes()", with_schemes(schemes)) == {}
    names = project.value("exclusive_schemes() | list", with_schemes(schemes))
    assert names == ["rfm", "spend_breaks", "cluster", "journeys"]


def test_every_shipped_segment_has_name_owner_action_and_channel() -> None:
    """Those of rules and schemes, the cards of fitted ones, and what scheme and attribute say."""
    cards = csv.DictReader((ROOT / "seeds" / "segment_cards.csv").open(encoding="utf-8"))
    found = {f"card {card['scheme']}:{card['segment']}": card for card in cards}
    found |= {f"rule:{key}": segment for key, segment in SHIPPED["rule_segments"].items()}
    for scheme, entry in SHIPPED["schemes"].items():
        for part in entry["segments"]:
            key = f"{scheme}:{part.get('segment', 'of ' + part.get('attribute', ''))}"
            found[key] = {"owner": entry.get("owner"), **part}
    for key, texts in found.items():
        for text in ("owner", "recommended_action", "channel"):
            assert texts.get(text), (key, text)
        # Clusters and bands are named by what they are, and values of an attribute by themselves.
        if not key.startswith(
            ("card cluster", "card journeys", "card spend_breaks", "demographic")
        ):
            assert texts.get("name"), key


# --- Texts are data ------------------------------------------------------------------------------

HOSTILE = ["""Bob's "best"; 100 %""", "{{ 1/0 }} {% raw %} {# x #}", "'); drop table x; --"]
HOSTILE += ["back\\slash", "two\nlines", "ümläut ☃", "$$ ? :x %s"]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_and_values_come_out_as_they_are_written(project: GrammarProject, text: str) -> None:
    keys = ["name", "description", "owner", "recommended_action", "channel", "offer"]
    texts = {key: f"{key} {text}" for key in keys}
    large = {"segment": "large", "rule": {"attribute": "region", "in": [text]}, **texts}
    variables = with_schemes(baskets(large, SMALL, owner=text))
    template = """{% set segments = schemes().basket_size.segments %}
        {% set found = [] %}{% for segment in segments %}{% for text in segment_texts() %}
        {% do found.append(sql_literal(segment[text]) if segment[text] else 'null') %}
        {% endfor %}{% endfor %}
        {{ tojson({'texts': 'select ' ~ found | join(', '),
            'definition': 'select ' ~ definition_sql(segments[0]),
            'reason': 'select ' ~ scheme_reason(schemes().basket_size, 'features'),
            'segment': 'select ' ~ scheme_segment(schemes().basket_size, 'features', 'x')}) }}"""
    sql = json.loads(project.render(template, variables))
    (row,) = duckdb.sql(sql["texts"]).fetchall()
    small = ("Small", None, text, None, None, None)
    assert row == (*texts.values(), *small)
    assert duckdb.sql(sql["definition"]).fetchall() == [(f"region one of {text}",)]
    features = "from (values (?, null), ('elsewhere', null)) as features (region, non_buyer)"
    found = duckdb.execute(f"{sql['segment']} {features}", [text]).fetchall()
    assert found == [("large",), ("small",)]
    reasons = duckdb.execute(f"{sql['reason']} {features}", [text]).fetchall()
    assert reasons == [(f"region: {text}",), ("region: elsewhere",)]


def test_a_random_share_of_the_customers_is_a_segment(project: GrammarProject) -> None:
    """The number is the same for each segment of one salt, and 20% include the 10%."""
    rules = [{"sample_percent": 10}, {"sample_percent": 20}, {"sample_percent": 20, "salt": "x"}]
    parts = [{"segment": f"s{i}", "rule": rule} for i, rule in enumerate(rules)]
    variables = with_schemes({"test": {"segments": [*parts, SMALL], "who": "eligible"}})
    template = """{% set test = schemes().test %}{{ tojson([scheme_segment(test, 'features', 'x'),
        scheme_reason(test, 'features'), rule_condition(test.segments[1].rule)]) }}"""
    segment, reason, second = json.loads(project.render(template, variables))
    rows = duckdb.sql(
        f"select {segment}, {reason}, {second} from "
        "(select 'c' || i as customer_id from range(10000) as numbers(i)) as features"
    ).fetchall()
    found = [segment for segment, *_ in rows]
    for name, share in {"s0": 0.1, "s1": 0.1, "s2": 0.8 * 0.2, "small": 0.8 * 0.8}.items():
        assert found.count(name) / len(rows) == pytest.approx(share, abs=0.01), name
    assert all(second for segment, _, second in rows if segment == "s0")
    for segment, reason, _ in rows:
        number, salted = reason.split("; ")
        assert number.startswith("random number: ")
        assert salted.startswith("random number of x: ")
        assert segment != "s0" or float(number.split(": ")[1]) <= 10


# --- What the shipped schemes mean ---------------------------------------------------------------

DAYS_AGO = [1, 2, 29, 30, 31, 89, 90, 91, 92, 200, 364, 365, 366, 367, 455, 456, 457, 731, 900]
AMOUNTS = [0, 5, 50, 199.99, 250, 499.99, 500, 500.01, 1000, 1999.99, 2000, 2000.01, 3500]


@dataclass
class Person:
    """Orders are (days ago, amount); of returns the amount is negative."""

    orders: list[tuple[int, Decimal]]
    returns: list[tuple[int, Decimal]]
    age_band: str | None
    expected_value: Decimal | None

    @property
    def days(self) -> list[int]:
        return sorted({ago for ago, _ in self.orders})

    def revenue(self, window: float = math.inf) -> Decimal:
        moved = self.orders + self.returns
        return sum((amount for ago, amount in moved if ago <= window), Decimal(0))


def people(rng: random.Random, count: int) -> list[Person]:
    def some(most: int, sign: int) -> list[tuple[int, Decimal]]:
        return [
            (rng.choice(DAYS_AGO), sign * Decimal(str(rng.choice(AMOUNTS))))
            for _ in range(rng.choice([0, 1, 1, 2, 3, most]))
        ]

    return [
        Person(
            some(9, 1),
            some(2, -1) if rng.random() < 0.2 else [],
            rng.choice(["18-24", "25-34", "it's 65+", None]),
            rng.choice([None, *map(Decimal, range(30))]),
        )
        for _ in range(count)
    ]


def quantile(values: list[Decimal], percent: int) -> Decimal:
    above = sorted(value for value in values if value > 0)
    return above[max(-(-len(above) * percent // 100), 1) - 1]


def slowly(person: Person, limits: dict[str, Decimal]) -> dict[str, str]:
    """The table of the definitions, read as it stands."""
    if not person.orders:
        outside = "returns_only" if person.returns else "prospect"
        return dict.fromkeys(SHIPPED["schemes"], outside)
    last_year, days = person.revenue(365), person.days
    if last_year <= 0:
        tier = "none"
    else:
        tier = next((name for name in ("high", "medium") if last_year >= limits[name]), "low")
    expected = person.expected_value
    if expected is None:
        outlook = "unknown"
    else:
        fitted = ("high_outlook", "medium_outlook")
        name = next((name for name in fitted if expected >= limits[name]), "low_outlook")
        outlook = name.removesuffix("_outlook")
    orders = len([ago for ago, _ in person.orders if ago <= 365])
    spent = person.revenue()
    if days[-1] <= 30:
        lifecycle = "new"
    elif days[0] <= 90:
        came_back = len(days) > 1 and days[1] - days[0] > 365
        lifecycle = "returning" if came_back else "active"
    else:
        lifecycle = "lapsing" if days[0] <= 365 else "lapsed"
    return {
        "value_tier": tier,
        "spend_limits": "large" if spent >= 2000 else "medium" if spent >= 500 else "small",
        "purchase_rhythm": "frequent" if orders >= 4 else "occasional" if orders else "inactive",
        "value_outlook": outlook,
        "lifecycle": lifecycle,
        "demographic": person.age_band or "unknown",
    }


def test_the_shipped_schemes_are_the_table_of_the_definitions(project: GrammarProject) -> None:
    crowd = people(random.Random(20261129), 500)
    revenues = [person.revenue(365) for person in crowd]
    limits = {"high": quantile(revenues, 80), "medium": quantile(revenues, 50)}
    expected = [person.expected_value for person in crowd if person.expected_value is not None]
    limits |= {"high_outlook": quantile(expected, 80), "medium_outlook": quantile(expected, 50)}
    template = """{% set columns = {} %}{% for name, scheme in schemes().items() %}
        {% do columns.update({name: scheme_segment(scheme, 'features', 'cutpoints')}) %}
        {% endfor %}{{ tojson({'columns': columns, 'cuts': percentile_cuts()}) }}"""
    variables = {"metrics": SHIPPED["metrics"], "schemes": SHIPPED["schemes"], "rule_segments": {}}
    made = json.loads(project.render(template, variables))
    assert [(cut["column"], cut["quantile"]) for cut in made["cuts"]] == [
        ("revenue__365d", 0.5),
        ("revenue__365d", 0.8),
        ("expected_value__all", 0.5),
        ("expected_value__all", 0.8),
    ]
    connection = duckdb.connect()
    connection.execute("""
        create table features (
            id integer, non_buyer varchar,
            revenue__365d decimal(18, 2), revenue__all decimal(18, 2),
            orders__365d bigint, tenure_days__all bigint, recency_days__all bigint,
            gap_days__all bigint, age_band varchar, expected_value__all decimal(18, 2)
        )
    """)
    for number, person in enumerate(crowd):
        days = person.days
        outside = None if days else "returns_only" if person.returns else "prospect"
        row: list[Any] = [number, outside, person.revenue(365), person.revenue()]
        row += [len([ago for ago, _ in person.orders if ago <= 365])]
        row += [days[-1], days[0]] if days else [None, None]
        row += [days[1] - days[0] if len(days) > 1 else None, person.age_band]
        row += [person.expected_value]
        connection.execute(f"insert into features values ({', '.join('?' * 10)})", row)
    names = ["medium", "high", "medium_outlook", "high_outlook"]
    cuts = ", ".join(
        f"{limits[name]} as {cut['cut_column']}"
        for name, cut in zip(names, made["cuts"], strict=True)
    )
    listed = ", ".join(f"{sql} as {name}" for name, sql in made["columns"].items())
    rows = connection.execute(
        f"select id, {listed} from features cross join (select {cuts}) as cutpoints order by id"
    ).fetchall()
    seen: dict[str, set[str]] = {}
    for (number, *segments), person in zip(rows, crowd, strict=True):
        wanted = slowly(person, limits)
        found = dict(zip(made["columns"], segments, strict=True))
        assert found == wanted, (number, person)
        for scheme, segment in wanted.items():
            seen.setdefault(scheme, set()).add(segment)
    for scheme, entry in SHIPPED["schemes"].items():
        of_scheme = {part["segment"] for part in entry["segments"] if "segment" in part}
        assert seen[scheme] >= {*of_scheme, "prospect", "returns_only"}, scheme
