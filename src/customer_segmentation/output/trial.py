"""Tries a rule on the tables of the last build before it becomes a segment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from customer_segmentation.output.last_build import (
    NoBuildError,
    open_to_read,
    vars_of,
    working_file,
)
from customer_segmentation.output.macro_answers import MacroError, ask_macro
from customer_segmentation.output.summary import percent
from customer_segmentation.plain_yaml import YamlTextError, read_yaml

_WIDE_TABLE = "int_segmentation__customers_predicted"
_OVERLAPS_SHOWN = 15

# The date that a percentile of the rule is taken at, if the last build didn't compute its features.
_UNBUILT_FIT = """
    select fitted.as_of
    from {periods} as periods
    inner join {periods} as fitted on periods.cutpoints_fitted_as_of = fitted.as_of
    where periods.is_current and not fitted.is_built
"""
_SIZES = """
    select
        customers.as_of,
        count(*) as customers,
        count(case when customers.is_buyer then 1 end) as buyers,
        coalesce(sum(customers.revenue__all), 0) as revenue,
        count(members.customer_key) as members,
        count(case when customers.is_buyer then members.customer_key end) as buying_members,
        coalesce(sum(case when members.customer_key is not null then customers.revenue__all end), 0)
            as members_revenue
    from {customers} as customers
    inner join {periods} as periods on customers.as_of = periods.as_of
    left join members on customers.customer_key = members.customer_key
    where periods.is_current
    group by customers.as_of
"""
# The most similar segments (Jaccard) first.
_OVERLAPS = """
    select
        memberships.segment_key,
        count(*) as customers,
        count(members.customer_key) as shared
    from {memberships} as memberships
    inner join {periods} as periods on memberships.as_of = periods.as_of
    left join members on memberships.customer_key = members.customer_key
    where periods.is_current
    group by memberships.segment_key
    having shared > 0
    order by shared / (customers + (select count(*) from members) - shared) desc, segment_key
"""
_MEANS = """
    select {means}
    from {customers} as customers
    inner join {periods} as periods on customers.as_of = periods.as_of
    left join members on customers.customer_key = members.customer_key
    where periods.is_current
"""
# Keyed by the rule, so that another rule draws other customers.
_SAMPLE = """
    select customer_id, {reason} as reason
    from (select * from members order by md5($words || customer_id) limit 10) as members
    order by customer_id
"""


class TrialError(ValueError):
    """The rule can't be tried; the message says what to change."""


@dataclass(frozen=True)
class Trial:
    """The members of a rule.

    Attributes:
        words: The rule in words.
        has_stay_until: Whether the rule has a stay_until, which a trial ignores.
        members: One row (customer_key, customer_id, ...) per member.
        sizes: customers, buyers and revenue of all eligible customers; members, buying_members and
            members_revenue; as_of. None without eligible customers.
        overlaps: Segment key, its customers and those shared with the rule, most similar first.
        profile: Feature, its mean over the members, its mean over all.
        sample: Customer id and reason of up to ten members.
    """

    words: str
    has_stay_until: bool
    members: duckdb.DuckDBPyRelation
    sizes: dict[str, Any] | None
    overlaps: list[tuple[str, int, int]]
    profile: list[tuple[str, float | None, float | None]]
    sample: list[tuple[str, str]]


def try_rule(rule: str, target: Path, project: Path = Path(), dataset: str | None = None) -> Trial:
    """Finds the members of a rule as of the newest date of the last build.

    Nothing is built or written. The project's own macros read the rule.

    Args:
        rule: The rule as YAML, as in var rule_segments.
        target: dbt's target folder of the last build.
        project: Folder of the dbt project.
        dataset: Name of a data set with a file of vars; by default that of the last build.

    Raises:
        TrialError: The rule is wrong, or it has a percentile as of a date whose features the last
            build didn't compute.
        NoBuildError: There was no build, or another process is writing to its file.
    """
    try:
        definition = read_yaml(rule)
    except YamlTextError as error:
        raise TrialError(f"RULE can't be read: {error}") from None
    variables = vars_of(dataset, target)
    file = working_file(variables)
    connection = open_to_read(file)
    columns = connection.execute(
        "select column_name from duckdb_columns() where table_name = ?", [_WIDE_TABLE]
    ).fetchall()
    if not columns:
        raise NoBuildError(f"{file} has no table {_WIDE_TABLE}. Run `make build` first.")
    rows = connection.execute(
        "select replace(table_name, 'int_facts__', ''), list(column_name order by column_name) "
        "from duckdb_columns() where starts_with(table_name, 'int_facts__') group by all"
    ).fetchall()
    request = {
        "definition": definition,
        "built_columns": [name for (name,) in columns],
        "row_columns": dict(rows),
    }
    try:
        answer = ask_macro("trial_queries", request, variables, target, project)
    except MacroError as error:
        raise TrialError(str(error)) from error
    unbuilt_fits = connection.execute(_UNBUILT_FIT.format(**answer)).fetchall()
    for (as_of,) in unbuilt_fits if answer["has_percentile"] else []:
        raise TrialError(
            f"The rule has a percentile as of {as_of}, and the last build did not compute that "
            f"period. Run `make backfill FROM={as_of} TO={as_of}`, then try again."
        )
    connection.execute(f"create temporary table members as {answer['members']}")
    sizes = connection.execute(_SIZES.format(**answer))
    names = [column[0] for column in sizes.description]
    counted = sizes.fetchall()
    return Trial(
        words=answer["words"],
        has_stay_until="stay_until" in definition,
        members=connection.table("members"),
        sizes=dict(zip(names, counted[0], strict=True)) if counted else None,
        overlaps=connection.execute(_OVERLAPS.format(**answer)).fetchall(),
        profile=_means(connection, answer),
        sample=connection.execute(_SAMPLE.format(**answer), {"words": answer["words"]}).fetchall(),
    )


def print_trial(trial: Trial, console: Console) -> None:
    """Prints a trial: size, most similar segments, profile, sample."""
    sizes = trial.sizes
    if sizes is None:
        console.print("There are no eligible customers.")
        return
    share = percent(sizes["members"] / sizes["customers"])
    console.print(f"{trial.words}, as of {sizes['as_of']}\n", markup=False)
    console.print(
        f"{sizes['members']:,} of {sizes['customers']:,} eligible customers ({share}), "
        f"{sizes['buying_members']:,} of {sizes['buyers']:,} buyers. They account for "
        f"{sizes['members_revenue']:,.2f} of {sizes['revenue']:,.2f} in revenue."
    )
    if trial.has_stay_until:
        console.print("Customers kept by stay_until alone are left out: it needs earlier periods.")
    if not sizes["members"]:
        return
    overlaps = _table("Most like", "In both", "Of this rule", "Of the segment")
    for key, customers, shared in trial.overlaps[:_OVERLAPS_SHOWN]:
        of_rule, of_segment = percent(shared / sizes["members"]), percent(shared / customers)
        overlaps.add_row(key, f"{shared:,}", of_rule, of_segment)
    profile = _table("Mean of", "Members", "Everyone", "Index")
    for feature, members, everyone in trial.profile:
        index = f"{100 * members / everyone:.0f}" if members is not None and everyone else ""
        profile.add_row(feature, _number(members), _number(everyone), index)
    for table in (overlaps, profile):
        console.print()
        console.print(table)
    console.print("\nSample of members and reasons")
    for customer_id, reason in trial.sample:
        console.print(f"{customer_id}  {reason}", markup=False)


def _means(
    connection: duckdb.DuckDBPyConnection, answer: dict[str, Any]
) -> list[tuple[str, float | None, float | None]]:
    """The mean of each profiled feature over the members and over everyone."""
    means = [
        f"avg(case when members.customer_key is not null then customers.{feature} end), "
        f"avg(customers.{feature})"
        for feature in answer["profiled"]
    ]
    query = _MEANS.format(means=", ".join(means), **answer)
    values = connection.execute(query).fetchall()[0]
    return list(zip(answer["profiled"], values[::2], values[1::2], strict=True))


def _table(heading: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(heading)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"
