"""The JSON Schemas for editors agree with the grammar that dbt checks rules and metrics by."""

import json
import random
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7
from rule_grammar_project import ROOT, GrammarProject
from test_rule_grammar import (
    BAD_METRICS,
    BAD_RULES,
    BAD_SEGMENTS,
    IMPLICATIONS,
    METRICS,
    REASONS,
    RECENT,
    random_rule,
)
from test_schemes import BAD_SCHEMES, LARGE, REGION, SMALL, baskets

SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in (ROOT / "docs" / "schema").glob("*.json")
}
# As files beside each other, which is how an editor reads them.
FILES: Registry[Any] = Registry().with_resources(
    (f"{name}.json", DRAFT7.create_resource(schema)) for name, schema in SCHEMAS.items()
)
SEGMENTS = Draft7Validator(SCHEMAS["rule_segments"])
SCHEME_LIST = Draft7Validator(SCHEMAS["schemes"], registry=FILES)
PREDICTIONS = Draft7Validator(SCHEMAS["predictions"], registry=FILES)
PROJECT = Draft7Validator(SCHEMAS["dbt_project"], registry=FILES)
METRIC_LIST = Draft7Validator(SCHEMAS["metrics"])

# What takes more than the shape of one rule to see: other names, sizes compared, depth, cycles.
GRAMMAR_ALONE = {
    "unknown metric",
    "unknown metric in a group",
    "between backwards",
    "too fine a percent",
    "limit is no number",
    "window backwards",
    "is_known of a count",
    "too deep",
    "too deep to read",
    "too long",
    "unknown scheme",
    "unknown rule segment",
    "itself",
    "stricter stay_until",
    "stay_until without effect",
    "stay_until that only rearranges",
    "cycle of three",
    "cycle through stay_until",
    "stay_until under not",
    "references that multiply",
    "references too deep",
    "texts and numbers",
    "hours of lines",
    "first of sessions",
    "any days of a mean",
    "unknown metric to compare with",
    "date of no calendar",
    "days ago backwards",
    "unknown step",
    "share as a step",
    "not before the last step",
    "not after two steps",
}
# The same of schemes; and the order of their segments.
SCHEMES_GRAMMAR_ALONE = {
    "else before the last",
    "attribute before the last",
    "two that take the rest",
    "unknown metric",
    "a segment of the scheme itself",
    "a segment of another declared scheme",
    "a segment of an unknown scheme",
    "segment large",
    "scheme is_buyer",
    "scheme as_of",
    "scheme churn_risk",
    "scheme consent_to_activation",
    "scheme recency_score",
    "scheme cluster_distance",
}
BAD: dict[str, Any] = {case: {"bad_one": rule} for case, (rule, *_) in BAD_RULES.items()}
BAD |= {case: segments for case, (segments, _) in BAD_SEGMENTS.items()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema(name: str) -> None:
    Draft7Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("case", BAD)
def test_a_bad_rule_is_refused_as_far_as_its_shape_tells(case: str) -> None:
    assert SEGMENTS.is_valid(BAD[case]) is (case in GRAMMAR_ALONE)


@pytest.mark.parametrize("case", BAD_SCHEMES)
def test_a_bad_scheme_is_refused_as_far_as_its_shape_tells(case: str) -> None:
    schemes = BAD_SCHEMES[case][0]
    assert SCHEME_LIST.is_valid(schemes) is (case in SCHEMES_GRAMMAR_ALONE)
    assert PROJECT.is_valid({"vars": {"schemes": schemes}}) is (case in SCHEMES_GRAMMAR_ALONE)


def test_what_only_the_grammar_sees_is_a_case_of_its_own() -> None:
    assert set(BAD) >= GRAMMAR_ALONE
    assert set(BAD_SCHEMES) >= SCHEMES_GRAMMAR_ALONE


@pytest.mark.parametrize("case", BAD_METRICS)
def test_a_bad_metric_is_refused(case: str) -> None:
    changes, _ = BAD_METRICS[case]
    metric = {**METRICS["orders"], **changes}
    metric = {key: value for key, value in metric.items() if value is not None}
    assert not METRIC_LIST.is_valid({"orders": metric})
    assert not METRIC_LIST.is_valid({"Orders": METRICS["orders"]})


def test_good_rules_and_metrics_pass() -> None:
    rng = random.Random(8)
    earlier = [f"rule_{number:03}" for number in range(300)]
    segments = {key: random_rule(rng, earlier) for key in earlier}
    for number, (strict, loose, follows) in enumerate(IMPLICATIONS):
        if follows:
            segments[f"staying_{number}"] = {**strict, "stay_until": loose}
    segments |= {f"reason_{number}": rule for number, (rule, _) in enumerate(REASONS)}
    segments["told"] = {**RECENT, "name": "Recent", "owner": None, "offer": "10 % off"}
    for key, segment in segments.items():
        SEGMENTS.validate({key: segment})
    METRIC_LIST.validate(METRICS)
    for nothing in ({}, None):
        SEGMENTS.validate(nothing)
        METRIC_LIST.validate(nothing)


def test_good_schemes_pass(project: GrammarProject) -> None:
    rng = random.Random(9)
    ruled = [{"segment": f"s{number}", "rule": random_rule(rng, [])} for number in range(40)]
    texts = {"name": "Large", "owner": None, "channel": "e-mail", "offer": "10 % off"}
    good = {
        "described": {
            "description": "By size",
            "owner": "crm",
            "who": "eligible",
            "segments": [{**LARGE, **texts}, {**SMALL, **texts}],
        },
        "partial": {"segments": ruled},
        "mixed": {"segments": [*ruled[:3], REGION]},
        "values": {"segments": [{**REGION, "owner": None, "recommended_action": "Invite"}]},
        "everyone": {"segments": [SMALL]},
        **baskets(LARGE, {"segment": "middle", "rule": {"segment": "rfm:loyal"}}, who="buyers"),
    }
    SCHEME_LIST.validate(good)
    PROJECT.validate({"vars": {"customer_segmentation": {"schemes": good}}})
    assert list(project.value("declared_schemes()", {"schemes": good})) == list(good)
    for nothing in ({}, None):
        SCHEME_LIST.validate(nothing)


def test_the_examples_of_the_documentation_pass(project: GrammarProject) -> None:
    examples: dict[str, dict[str, Any]] = {"rule_segments": {}, "metrics": {}, "schemes": {}}
    recipes = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    place = r'^ *# dbt_project.yml, after "(\w+):"\n(.*?)^ *```'
    for name, block in re.findall(place, recipes, re.DOTALL | re.MULTILINE):
        examples.get(name, {}).update(yaml.safe_load(block) if name in examples else {})
    rules = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```yaml\n(.*?)^```", rules, re.DOTALL | re.MULTILINE):
        for name, entries in yaml.safe_load(block).items():
            examples[name].update(entries)
    tried = re.findall(r"^make try RULE='(.*)'$", recipes, re.MULTILINE)
    examples["rule_segments"] |= {
        f"tried_{i}": yaml.safe_load(rule) for i, rule in enumerate(tried)
    }
    assert {name: len(entries) for name, entries in examples.items()} == {
        "rule_segments": 36,
        "metrics": 3,
        "schemes": 2,
    }
    SEGMENTS.validate(examples["rule_segments"])
    SCHEME_LIST.validate(examples["schemes"])
    # Its table is new as well: the recipe adds it to the schema.
    del examples["metrics"]["visits"]
    METRIC_LIST.validate(examples["metrics"])
    known = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    variables = {**examples, "metrics": {**known["metrics"], **examples["metrics"]}}
    shipped = {name: known[name] for name in ("predictions", "prediction_features")}
    shipped["schemes"] = {**known["schemes"], **examples["schemes"]}
    rules = project.value("rule_segments()", {**variables, **shipped})
    assert len(rules) == len(examples["rule_segments"])
    assert list(project.value("declared_schemes()", variables)) == list(examples["schemes"])


def test_the_examples_of_predictions_pass(project: GrammarProject) -> None:
    known = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    page = (ROOT / "docs" / "predictions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    example, rules = (yaml.safe_load(block) for block in blocks)
    names = ("metrics", "schemes", "predictions", "prediction_features")
    variables = {**{name: known[name] for name in names}, **rules}
    PREDICTIONS.validate(known["predictions"])
    PREDICTIONS.validate(example["predictions"])
    PROJECT.validate({"vars": example})
    SEGMENTS.validate(rules["rule_segments"])
    assert len(project.value("rule_segments()", variables)) == 3
    assert list(project.value("predictions()", variables)) == list(known["predictions"])
    variables["predictions"] = example["predictions"]
    variables["rule_segments"] = {}
    assert list(project.value("predictions()", variables)) == ["lapses"]


@pytest.mark.parametrize("folder", [".", "integration_tests"])
def test_the_rules_and_metrics_of_the_repository_pass(folder: str) -> None:
    project = yaml.safe_load((ROOT / folder / "dbt_project.yml").read_text(encoding="utf-8"))
    variables = project["vars"].get("customer_segmentation", project["vars"])
    PROJECT.validate(project)
    SEGMENTS.validate(variables["rule_segments"])
    SCHEME_LIST.validate(variables.get("schemes"))
    for name in {"metrics", "extra_metrics"} & set(variables):
        METRIC_LIST.validate(variables[name])


def test_the_words_are_those_of_the_grammar(project: GrammarProject) -> None:
    grammar = project.value(
        "{'kinds': rule_kinds(), 'operators': rule_operators(), 'texts': segment_texts(), "
        "'attributes': rule_attributes(), 'schemes': exclusive_schemes(), "
        "'tables': metric_tables() | list, 'aggregates': metric_aggregates()}",
        {},
    )
    definitions = SCHEMAS["rule_segments"]["definitions"]
    rule = definitions["rule"]["properties"]
    assert set(rule) == {key for keys in grammar["kinds"].values() for key in keys}
    beside = set(definitions["segment"]["properties"]) - set(rule)
    assert beside == {*grammar["texts"], "stay_until"}
    for kind in definitions["kinds"]["oneOf"]:
        (name,) = kind["required"]
        assert set(kind["propertyNames"]["enum"]) == set(grammar["kinds"][name]) | beside
    assert rule["attribute"]["enum"] == grammar["attributes"]
    fixed = [
        f"{scheme}:{segment}"
        for scheme, segments in grammar["schemes"].items()
        for segment in segments or []
    ]
    assert rule["segment"]["anyOf"][0]["enum"] == fixed
    # Segments of all but rfm are data: of the customers, or of var schemes.
    for scheme in [*grammar["schemes"], "basket_size"]:
        is_free = SEGMENTS.is_valid({"one": {"segment": f"{scheme}:whatever"}})
        assert is_free is (scheme != "rfm"), scheme
    scheme = SCHEMAS["schemes"]["additionalProperties"]["properties"]
    segment = scheme["segments"]["items"]["properties"]
    assert set(segment) == {"segment", "rule", "else", "attribute", *grammar["texts"]}
    taken = SCHEMAS["schemes"]["propertyNames"]["not"]["enum"]
    assert set(taken) == {*grammar["schemes"], "rule", "all", *grammar["attributes"]}
    shipped = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert rule["metric"]["anyOf"][0]["enum"] == list(shipped["metrics"])
    metric = SCHEMAS["metrics"]["additionalProperties"]
    assert metric["properties"]["table"]["enum"] == grammar["tables"]
    assert metric["properties"]["aggregate"]["enum"] == list(grammar["aggregates"])
    reads_a_column = [name for name, reads in grammar["aggregates"].items() if reads]
    assert metric["if"]["properties"]["aggregate"]["enum"] == reads_a_column
