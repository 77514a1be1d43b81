"""A rule that is tried finds whom a build with it finds, also where no table has its window yet."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import VARS, Build, Workshop
from rich.console import Console

from customer_segmentation.output.last_build import NoBuildError
from customer_segmentation.output.trial import Trial, TrialError, print_trial, try_rule

# A cut with a window, groups under not, attributes with references, another table's windows.
TRIED = ["top_revenue_2y", "quiet_or_returning_goods", "northern_champions", "browsing_only"]
WIDE_TABLE = "scores.int_segmentation__customers_predicted"
SCORED = "scores.int_segmentation__customers_scored"


class Tries:
    """Tries rules on the tables of the reference build."""

    def __init__(self, build: Build, project: Path) -> None:
        self.folder, self.target, self.project = build.folder, build.folder / "target", project

    def __call__(self, rule: Any) -> Trial:
        return try_rule(json.dumps(rule), self.target, self.project)


@pytest.fixture
def tries(reference: Build, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Tries:
    monkeypatch.chdir(reference.passed().folder)
    return Tries(reference, workshop.builder.project)


@pytest.fixture
def tries_without_windows(tries: Tries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tries:
    """The same, where the wide table lacks all pairs of metric and window but one."""
    file = Path("warehouse") / f"{VARS['dataset']}.duckdb"
    # With the log beside the file: a build's process ends without writing it back.
    shutil.copytree(tries.folder / "warehouse", tmp_path / "warehouse")
    with duckdb.connect(str(tmp_path / file)) as connection:
        columns = connection.execute(
            "select column_name from duckdb_columns() where table_name = ?"
            " and contains(column_name, '__') and column_name <> 'revenue__all'",
            [SCORED.split(".")[1]],
        ).fetchall()
        assert len(columns) > 15
        for (column,) in columns:
            connection.execute(f'alter table {SCORED} drop column "{column}"')
        # The view keeps the columns that its table had.
        ((view,),) = connection.execute(
            "select sql from duckdb_views() where view_name = ?", [WIDE_TABLE.split(".")[1]]
        ).fetchall()
        connection.execute(view.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    monkeypatch.chdir(tmp_path)
    return tries


def members(trial: Trial) -> set[str]:
    return {customer for (customer,) in trial.members.select("customer_id").fetchall()}


def test_members_are_those_of_the_build(reference: Build, tries_without_windows: Tries) -> None:
    for segment in TRIED:
        trial = tries_without_windows(VARS["rule_segments"][segment])
        rows = reference.rows(
            "select customer_id, reason from segment_memberships "
            f"where segment_key = 'rule:{segment}'"
        )
        assert rows, segment
        assert members(trial) == {customer for customer, _ in rows}, segment
        assert len(trial.sample) == min(10, len(rows)), segment
        assert set(trial.sample) <= set(rows), segment


def test_a_cut_is_taken_at_the_last_refit_date(
    reference: Build, tries_without_windows: Tries, tmp_path: Path
) -> None:
    file = Path("warehouse") / f"{VARS['dataset']}.duckdb"
    with duckdb.connect(str(tmp_path / file)) as connection:
        connection.execute(
            "update periods.int_periods set cutpoints_fitted_as_of = "
            "(select min(as_of) from periods.int_periods)"
        )
    trial = tries_without_windows(VARS["rule_segments"]["top_revenue_2y"])
    column = "revenue__730d"
    with duckdb.connect(str(reference.folder / file), read_only=True) as connection:
        expected = connection.execute(f"""
            with wide as (select * from {WIDE_TABLE})
            select customer_id from wide
            where as_of = (select max(as_of) from wide) and {column} >= (
                select percentile_disc(.7) within group (order by {column}) from wide
                where as_of = (select min(as_of) from wide) and {column} > 0
            )
        """).fetchall()
    assert members(trial) == {customer for (customer,) in expected}
    now = reference.rows(
        "select customer_id from segment_memberships where segment_key = 'rule:top_revenue_2y'"
    )
    assert members(trial) != {customer for (customer,) in now}


def test_averages_and_the_top_are_those_of_the_wide_table(
    reference: Build, tries_without_windows: Tries
) -> None:
    file = Path("warehouse") / f"{VARS['dataset']}.duckdb"
    column, metric = "revenue__730d", {"metric": "revenue", "window_days": 730}
    fitted = {
        (
            "top",
            7,
        ): f">= (select min(v) from (select {column} as v from now order by v desc limit 7))",
        ("above", "mean"): f"> (select avg({column}) from now where {column} > 0)",
    }
    for (operator, limit), compared in fitted.items():
        trial = tries_without_windows(metric | {operator: limit})
        with duckdb.connect(str(reference.folder / file), read_only=True) as connection:
            expected = connection.execute(f"""
                with wide as (select * from {WIDE_TABLE}),
                now as (select * from wide where as_of = (select max(as_of) from wide))
                select customer_id from now where {column} > 0 and {column} {compared}
            """).fetchall()
        assert members(trial) == {customer for (customer,) in expected}, operator
        assert 1 < len(expected) < 100


def test_a_cut_of_a_period_that_was_kept_is_refused(
    tries_without_windows: Tries, tmp_path: Path
) -> None:
    """A build that keeps a period makes none of its features, so none could be ranked."""
    file = tmp_path / "warehouse" / f"{VARS['dataset']}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "update periods.int_periods set is_built = false where as_of = cutpoints_fitted_as_of"
        )
    with pytest.raises(TrialError, match=r"as of 20\d\d-.*make backfill FROM=20"):
        tries_without_windows(VARS["rule_segments"]["top_revenue_2y"])
    tries_without_windows(VARS["rule_segments"]["two_orders_90d"])


def test_sizes_overlaps_and_profile_agree_with_the_marts(reference: Build, tries: Tries) -> None:
    trial = tries(VARS["rule_segments"]["two_orders_90d"])
    key = "rule:two_orders_90d"
    assert trial.sizes is not None
    kpis = reference.rows(
        "select customers, revenue from segment_kpis "
        f"where segment_key = '{key}' and period = (select max(period) from segment_kpis)"
    )
    assert [(trial.sizes["members"], trial.sizes["members_revenue"])] == kpis
    size = kpis[0][0]
    assert trial.overlaps[0] == (key, size, size)
    shared = reference.rows(f"""
        select other.segment_key, count(*)
        from segment_memberships as mine
        inner join segment_memberships as other using (customer_id)
        where mine.segment_key = '{key}'
        group by all
    """)
    assert {other: both for other, _, both in trial.overlaps} == dict(shared)
    profiles = dict(
        reference.rows(f"select feature, mean from segment_profiles where segment_key = '{key}'")
    )
    found = {feature: mean for feature, mean, _ in trial.profile}
    assert found == pytest.approx(profiles, abs=1e-5)
    assert len(profiles) > 5


def test_what_is_told(tries: Tries) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    rule = VARS["rule_segments"]["two_orders_90d"]
    trial = tries({**rule, "stay_until": {**rule, "at_least": 1}})
    print_trial(trial, console)
    told = console.export_text()
    assert trial.sizes is not None
    assert told.startswith(
        "at least 2 orders in the last 90 days; stays while any orders in the last"
    )
    assert f"{trial.sizes['members']:,} of {trial.sizes['customers']:,} eligible customers" in told
    assert "kept by stay_until alone are left out" in told
    assert all(f"{customer}  {reason}\n" in told for customer, reason in trial.sample)


def test_complaints_are_those_of_the_grammar(tries: Tries, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"at metric: found 'ordrs'. Did you mean orders\? Allow"):
        tries({"metric": "ordrs", "at_least": 1})
    with pytest.raises(TrialError, match=r"^Segment 'this_rule' .*found 'x'.$|a rule such as"):
        tries("x")
    with pytest.raises(
        TrialError, match=r"found 'categry', which is no column of lines\. Did you mean"
    ):
        tries({"metric": "lines", "where": {"categry": "Wine"}, "last": 1, "at_least": 1})
    with pytest.raises(TrialError, match="found birthday, which the last build did not compute"):
        tries({"date": "birthday", "anniversary_in_days": 7})
    with pytest.raises(TrialError, match="RULE can't be read: line"):
        try_rule("{metric: [", tries.target, tries.project)
    with pytest.raises(NoBuildError, match="Run `make build` first"):
        try_rule("{}", tmp_path, tries.project)
