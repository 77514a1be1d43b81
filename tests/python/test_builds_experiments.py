"""A build with experiments: who counts, aggregates, checks, the holdout, new assignments."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tea_tasting
from conftest import Build, Workshop, scenario
from rule_grammar_project import ROOT

from customer_segmentation.experiments.assign import (
    COLUMNS,
    AssignError,
    Assignment,
    assign_experiment,
    assignment_text,
)
from customer_segmentation.input.contract import CONTRACT, read_contract

CUSTOMERS = 300
ASSIGNED_ON = pd.Timestamp("2024-03-10")
HALVES = {"control": 0.5, "treatment": 0.5}
FACTORS = {"subject": {"short": 0.5, "long": 0.5}, "price": {"high": 0.5, "low": 0.5}}
DAYS = {"start": "2024-03-01", "end": "2024-03-31"}
LATER = {"start": "2024-04-01", "end": "2024-12-31"}
NOT_YET = {"start": "2024-04-15", "end": "2024-12-31"}


def declared(name: str, metric: str, **others: Any) -> dict[str, Any]:
    return {"name": name, "hypothesis": "It works.", "primary_metric": metric, **DAYS, **others}


EXPERIMENTS = [
    declared("derived", "orders", variants=HALVES, guardrail_metrics=["revenue", "conversion"]),
    declared("measured", "score", factors=FACTORS, guardrail_metrics=["never_measured"]),
    declared("other_variants", "orders", variants={"control": 0.5, "b": 0.5}),
    declared("planned", "orders", variants=HALVES, **NOT_YET),
    declared(
        "next",
        "orders",
        factors=FACTORS,
        segment="rule:two_orders_90d",
        layer={"name": "email", "from": 0, "below": 0.5},
        **LATER,
    ),
]
MARTS = "experiment_results experiment_checks activation_outbox customer_features customers"
MARTS += " customer_records segment_memberships"
WORKING = "scores.int_marts__experiment"
OUTSIDE = ("outcome_before_assignment", "outcome_after_end")


def raw_tables() -> dict[str, pd.DataFrame]:
    """Customers buy at random; those with the treatment place an order more after it."""
    rng = np.random.default_rng(1)
    number = np.arange(CUSTOMERS)
    references = np.array([f"c{n}" for n in number])
    treated = rng.integers(0, 2, CUSTOMERS) == 1
    orders = []
    for n in number:
        days = rng.choice(90, rng.integers(3, 12), replace=False)
        for day in sorted({*days, *([75] if treated[n] else [])}):
            orders.append(
                {
                    "order_id": len(orders),
                    "customer_ref": references[n],
                    "ordered_at": pd.Timestamp("2024-01-01 12:00:00") + pd.Timedelta(days=int(day)),
                    "amount": round(float(rng.gamma(2, 20)) + 1, 2),
                }
            )
    first = pd.DataFrame(
        {
            "experiment_id": "derived",
            "customer_ref": references,
            "variant": np.where(treated, "treatment", "control"),
            "assigned_at": ASSIGNED_ON + pd.Timedelta(hours=11),
        }
    )
    # c0 by its record too, with the other variant; c1 before the experiment; no customer's.
    other = {True: "control", False: "treatment"}[bool(treated[0])]
    extra = [("derived", "r0", other, ASSIGNED_ON), ("derived", "nobody", "control", ASSIGNED_ON)]
    first.loc[1, "assigned_at"] = pd.Timestamp("2024-02-01 12:00:00")
    cells = np.array([f"{one}+{two}" for one in FACTORS["subject"] for two in FACTORS["price"]])
    placed = cells[rng.integers(0, 4, CUSTOMERS)]
    second = first.assign(experiment_id="measured", variant=placed, assigned_at=ASSIGNED_ON)
    third = second[:40].assign(experiment_id="other_variants", variant="c")
    fourth = second[:7].assign(experiment_id="ghost")
    # By the ids of their records, not by the references that make assign writes.
    fifth = second[200:220].assign(experiment_id="next")
    fifth["customer_ref"] = fifth["customer_ref"].str.replace("c", "r")
    scores = pd.DataFrame(
        {
            "experiment_id": "measured",
            "customer_ref": references,
            "metric": "score",
            "value": rng.normal(50, 10, CUSTOMERS) + 8 * (placed == "long+low"),
            "measured_at": ASSIGNED_ON + pd.Timedelta(days=5),
        }
    )
    scores.loc[:4, "measured_at"] = ASSIGNED_ON - pd.Timedelta(days=3)
    scores.loc[5:7, "measured_at"] = pd.Timestamp("2024-04-01 12:00:00")
    columns = ["experiment_id", "customer_ref", "variant", "assigned_at"]
    # The last customer withdrew.
    withdrawn = {"customer_ref": "c299", "purpose": "activation", "granted": False}
    withdrawn["recorded_at"] = ASSIGNED_ON
    return {
        "orders": pd.DataFrame(orders),
        "customers": pd.DataFrame(
            {"record_id": [f"r{n}" for n in number], "customer_ref": references, "region": "North"}
        ),
        "experiment_assignments": pd.concat(
            [first, pd.DataFrame(extra, columns=columns), second, third, fourth, fifth]
        ),
        "experiment_outcomes": scores,
        "consents": pd.DataFrame([withdrawn]),
    }


@scenario()
def experimented(workshop: Workshop) -> Build:
    variables = {
        "experiments": EXPERIMENTS,
        "as_of": "2024-04-01",
        "history_start": "2024-03-01",
        "activation_consent": "opt_out",
        "holdout_share": 0.2,
    }
    selected = ["--select", *(f"+{mart}" for mart in MARTS.split())]
    selected += ["--exclude-resource-type", "test", "unit_test"]
    made = workshop.build(
        workshop.folder("experimented"), raw_tables(), variables, selected, with_artifacts=True
    )
    return Build(made.folder, made.status, made.output, is_published=False)


def checks(build: Build, experiment_id: str) -> dict[str, tuple[float, str]]:
    rows = build.rows(
        "select check_name, value, status from experiment_checks "
        f"where experiment_id = '{experiment_id}' and part = ''"
    )
    return {name: (value, status) for name, value, status in rows}


def test_who_does_not_count_is_left_out_and_counted(experimented: Build) -> None:
    experimented.passed()
    found = checks(experimented, "derived")
    for name in ("two_variants", "outside_days", "unknown_customer"):
        assert found[name] == (1, "warning"), name
    for name in ("unknown_variant", "not_yet_observed", *OUTSIDE):
        assert found[name] == (0, "ok"), name
    assert found["measured_share"] == (1, "ok")
    ((customers,),) = experimented.rows(
        "select customers + control_customers from experiment_results "
        "where experiment_id = 'derived' and segment_key = 'all' and metric = 'orders'"
    )
    assert customers == CUSTOMERS - 2
    for name, customers in zip(OUTSIDE, (5, 3), strict=True):
        assert checks(experimented, "measured")[name] == (customers, "warning")
    assert checks(experimented, "measured")["measured_share"][1] == "warning"
    assert checks(experimented, "other_variants")["unknown_variant"] == (40, "warning")
    assert checks(experimented, "ghost") == {"not_declared": (7, "warning")}


def test_bad_experiments_have_a_verdict_of_one_line(experimented: Build) -> None:
    verdicts = experimented.rows(
        "select experiment_id, metric, verdict from experiment_results where segment_key = 'all'"
    )
    found: dict[tuple[str, str], set[str]] = {}
    for experiment_id, metric, verdict in verdicts:
        found.setdefault((experiment_id, metric), set()).add(verdict)
        assert "\n" not in verdict
    nothing = {"not to be judged: no customers assigned"}
    assert found["other_variants", "orders"] == found["planned", "orders"] == nothing
    unmeasured = found["measured", "never_measured"]
    assert all(words.startswith("not to be judged: no outcomes in ") for words in unmeasured)


def values_of(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Orders and revenue of each customer that counts, from the raw rows, with the days before."""
    orders = tables["orders"]
    orders["day"] = orders["ordered_at"].dt.normalize()
    until, before = pd.Timestamp("2024-04-01"), ASSIGNED_ON - pd.Timedelta(days=22)
    spans = {
        "after": orders[(orders["day"] >= ASSIGNED_ON) & (orders["day"] < until)],
        "before": orders[(orders["day"] >= before) & (orders["day"] < ASSIGNED_ON)],
    }
    assigned = tables["experiment_assignments"]
    units = assigned[assigned["experiment_id"] == "derived"][2:CUSTOMERS].set_index("customer_ref")
    for span, rows in spans.items():
        sums = rows.groupby("customer_ref")["amount"].agg(["size", "sum"])
        units[f"orders_{span}"] = sums["size"].astype(float)
        units[f"revenue_{span}"] = sums["sum"]
    units = units.fillna(0.0)
    units["conversion_after"] = (units["orders_after"] > 0).astype(float)
    units["treated"] = (units["variant"] == "treatment").astype(int)
    return units


def test_sql_aggregates_give_what_tea_tasting_gives_on_raw_rows(experimented: Build) -> None:
    raw = values_of(raw_tables())
    theirs = tea_tasting.Experiment(
        orders=tea_tasting.Mean("orders_after"),
        revenue=tea_tasting.Mean("revenue_after"),
        orders_cuped=tea_tasting.Mean("orders_after", "orders_before"),
        revenue_cuped=tea_tasting.Mean("revenue_after", "revenue_before"),
        variant="treated",
    ).analyze(raw.drop(columns="variant"), control=0)
    ours = experimented.query(
        f"select * from {WORKING}_effects where experiment_id = 'derived' "
        "and segment_key = 'all' and span = 'outcome'"
    ).set_index("metric")
    for metric in ("orders", "revenue"):
        row, plain, cuped = ours.loc[metric], theirs[metric], theirs[f"{metric}_cuped"]
        pairs = [
            (row["effect"], plain.effect_size),
            (row["effect_low"], plain.effect_size_ci_lower),
            (row["p_value"], plain.pvalue),
            (row["relative_high"], plain.rel_effect_size_ci_upper),
            (row["cuped_effect"], cuped.effect_size),
            (row["cuped_high"], cuped.effect_size_ci_upper),
        ]
        for mine, other in pairs:
            assert mine == pytest.approx(other, rel=1e-9, abs=1e-15)
    assert ours.loc["orders", "verdict"].startswith("works: +")
    shares = raw.groupby("variant")["conversion_after"].mean()
    expected = shares["treatment"] - shares["control"]
    assert ours.loc["conversion", "effect"] == pytest.approx(expected, rel=1e-9)


def test_the_interaction_of_measured_factors_is_found(experimented: Build) -> None:
    rows = experimented.rows(
        "select comparison, effect_low, effect_high from experiment_results "
        "where experiment_id = 'measured' and metric = 'score' and segment_key = 'all'"
    )
    found = {comparison: (low, high) for comparison, low, high in rows}
    for comparison, truth in {
        "subject: long": 4,
        "price: low": 4,
        "subject: long x price: low": 8,
    }.items():
        low, high = found[comparison]
        assert low <= truth <= high, comparison


def test_segments_are_those_before_the_assignment(experimented: Build) -> None:
    """An order more in March moves customers between segments of April, not between these."""
    rows = experimented.rows(f"""
        with placed as (
            select units.variant, memberships.segment_key, count(*) as customers
            from {WORKING}_units as units
            inner join scores.int_segmentation__memberships as memberships using (customer_key)
            where units.experiment_id = 'derived' and units.exclusion_reason is null
                and memberships.as_of = date '2024-03-01'
            group by all
        )

        select aggregates.segment_key, aggregates.variant, aggregates.units, placed.customers
        from {WORKING}_aggregates as aggregates
        left join placed using (segment_key, variant)
        where aggregates.experiment_id = 'derived' and aggregates.metric = 'orders'
            and aggregates.segment_key <> 'all'
    """)
    assert len(rows) > 20
    assert all(units == (customers or 0) for *_, units, customers in rows)


def test_weeks_are_of_whole_weeks_and_the_groups_were_alike_before(experimented: Build) -> None:
    parts = [
        part
        for (part,) in experimented.rows(
            "select part from experiment_checks where experiment_id = 'derived' "
            "and check_name = 'effect_by_week' order by part"
        )
    ]
    assert parts == [f"orders, treatment, week {week}" for week in (1, 2, 3)]
    balance = experimented.rows(
        "select status from experiment_checks "
        "where experiment_id = 'derived' and check_name = 'balance'"
    )
    assert balance == [("ok",)] * 3


def test_the_holdout_is_never_handed_over(experimented: Build) -> None:
    ((held_out, customers),) = experimented.rows(
        "select count(*) filter (is_held_out), count(*) from customers"
    )
    assert 0.12 * customers < held_out < 0.28 * customers
    reached = experimented.rows(
        "select count(*) filter (is_held_out), count(*) filter (not is_held_out) "
        "from activation_outbox inner join customers using (customer_id)"
    )
    assert reached[0][0] == 0 < reached[0][1]


def test_assignments_are_a_table_of_the_contract_and_stay(
    experimented: Build, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(experimented.folder)

    def assign(name: str) -> Assignment:
        return assign_experiment(name, Path("target"), tmp_path, project=workshop.builder.project)

    made = assign("next")
    rows = list(csv.DictReader(made.path.open(encoding="utf-8")))
    columns = next(
        set(table.columns)
        for table in read_contract(ROOT / CONTRACT)
        if table.name == "experiment_assignments"
    )
    assert set(rows[0]) <= columns
    assert made.path.parent.name == "experiment_assignments"
    assert {row["assigned_at"] for row in rows} == {"2024-04-01T00:00:00+02:00"}
    members = experimented.rows(
        "select customers.is_held_out from segment_memberships "
        "inner join customers using (customer_id) where segment_key = 'rule:two_orders_90d'"
    )
    left_out = made.left_out
    assert left_out["held_out"] == sum(held_out for (held_out,) in members) > 0
    assert left_out["not_contactable"] == 1
    assert 10 < left_out["assigned"] <= 20
    assert not {row["customer_ref"] for row in rows} & {f"c{n}" for n in range(200, 220)}
    assert len(rows) + left_out.total() == len(members)
    halved = len(members) - left_out["held_out"] - left_out["assigned"] - 1
    assert abs(left_out["in_other_layer"] - halved / 2) < 2.5 * len(members) ** 0.5
    assert len(made.variants) == 4
    assert sum(made.variants.values()) == len(rows)
    # Those who are in the file stay as they are, and the others come again.
    kept = made.path.read_text(encoding="utf-8").splitlines()[:11]
    changed = [line.replace("2024-04-01T", "2024-03-30T") for line in kept]
    # One of them by another reference.
    changed[1] = changed[1].replace(",c", ",r")
    made.path.write_text("\n".join(changed) + "\n", encoding="utf-8")
    again = assign("next")
    assert again.kept == 10
    assert sum(again.variants.values()) == len(rows) - 10
    assert again.path.read_text(encoding="utf-8").splitlines()[:11] == changed
    assert not again.taken_out


def test_those_assigned_before_the_start_count_from_the_start(
    experimented: Build, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """as_of is 2024-04-01; assigned then, they would all be outside the experiment's days."""
    monkeypatch.chdir(experimented.folder)
    project = workshop.builder.project
    made = assign_experiment("planned", Path("target"), tmp_path, project=project)
    rows = list(csv.DictReader(made.path.open(encoding="utf-8")))
    assert {row["assigned_at"] for row in rows} == {"2024-04-15T00:00:00+02:00"}


def test_those_who_may_no_longer_be_contacted_are_taken_out_of_the_file(
    experimented: Build, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(experimented.folder)
    held_out, withdrawn, stays = (
        experimented.rows(
            "select customer_ref from customer_records inner join customers using (customer_id) "
            f"where customer_ref is not null and {condition} order by customer_ref limit 1"
        )[0][0]
        for condition in (
            "is_held_out",
            "not may_be_contacted and not is_held_out",
            "may_be_contacted",
        )
    )
    path = tmp_path / "experiment_assignments" / "planned.csv"
    path.parent.mkdir()
    lines = [
        f"planned,default,{reference},control,2024-03-30"
        for reference in (held_out, withdrawn, "erased", stays)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n", encoding="utf-8")
    project = workshop.builder.project
    made = assign_experiment("planned", Path("target"), tmp_path, project=project)
    assert made.kept == 1
    assert made.taken_out == {"held_out": 1, "not_contactable": 1, "unknown": 1}
    found = path.read_text(encoding="utf-8").splitlines()
    assert found[1] == lines[3]
    assert not set(found) & set(lines[:3])
    assert assignment_text(made).splitlines()[2] == (
        "Taken out of the file: 1 who may no longer be contacted, 1 in the global holdout, "
        "1 of no customer"
    )


def test_what_cannot_be_assigned_is_said_in_a_line(
    experimented: Build, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(experimented.folder)
    path = tmp_path / "experiment_assignments" / "next.csv"
    path.parent.mkdir()
    header = ",".join(COLUMNS)
    for text, words in {
        "": "has other columns. Expected experiment_id",
        "other\n": "has other columns. Expected experiment_id",
        f"{header}\nnext,default\n": "Row 2 of .*next.csv has 2 values. Expected 5",
    }.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(AssignError, match=words) as error:
            assign_experiment("next", Path("target"), tmp_path, project=workshop.builder.project)
        assert "\n" not in str(error.value)
    for name, words in {
        "derived": "ended on 2024-03-31",
        "plan": "EXPERIMENT: found 'plan'. Did you mean planned",
    }.items():
        with pytest.raises(AssignError, match=words):
            assign_experiment(name, Path("target"), tmp_path, project=workshop.builder.project)
