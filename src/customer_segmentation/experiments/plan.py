"""The plan of an experiment in a segment: how many customers it needs and when it has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from customer_segmentation.experiments.power import customers_per_variant, detectable_effect
from customer_segmentation.near_names import did_you_mean, unknown_segment
from customer_segmentation.output.last_build import open_to_read

SHARES = ("conversion", "repeat_rate", "response_rate")
_ENTRY_DAYS = 365

_MEMBERS = """
    select count(*), count(*) filter (customers.may_be_contacted)
    from segment_memberships as memberships
    inner join customers using (customer_id)
    where memberships.segment_key = ?
"""
# All members of the first period entered then, whenever it was.
_ENTRIES = f"""
    with periods as (
        select
            greatest(min(period), max(period) - {_ENTRY_DAYS}) as first_day,
            max(period) as last_day
        from segment_kpis
    )

    select
        last_day - first_day,
        count(changes.customer_id)
    from periods
    left join (
        select customer_id, changed_on
        from segment_changes
        inner join customers using (customer_id)
        where change = 'entered' and customers.may_be_contacted and segment_key = ?
    ) as changes on changes.changed_on > periods.first_day
    group by all
"""
_SHARE = "select period, days, {metric} from segment_kpis where is_last_whole and segment_key = ?"
_MEAN = """
    select avg(features.{metric}), stddev_samp(features.{metric})
    from segment_memberships as memberships
    inner join customer_features as features using (customer_id)
    where memberships.segment_key = ?
"""


class PlanError(ValueError):
    """There is no such plan; the message says what to change."""


@dataclass(frozen=True)
class Plan:
    """What an experiment needs, and what the segment has.

    Attributes:
        baseline: Mean of the metric without the action; of shares 0 to 1.
        source: Where the baseline is from, in words.
        deviation: Standard deviation of the metric; None for shares.
        per_variant: Customers needed in each variant.
        members: Members of the segment.
        contactable: Those who may be contacted.
        entries_per_day: Customers who enter and may be contacted, per day; None without a history.
        days: Days until there are enough; None where that can't be known, or never happens.
        detectable: Smallest increase found with the members of now; None where there is none.
    """

    baseline: float
    source: str
    deviation: float | None
    per_variant: int
    members: int
    contactable: int
    entries_per_day: float | None
    days: int | None
    detectable: float | None


def plan_experiment(
    published: Path,
    segment_key: str,
    metric: str,
    *,
    baseline: str,
    lift: float,
    variants: int,
    power: float,
) -> Plan:
    """Plans an experiment with the members of a segment.

    Args:
        published: The published file.
        segment_key: Such as ``rule:recent_buyers``.
        metric: One of ``SHARES``, as in segment_kpis, or a numeric column of customer_features.
        baseline: A number, or ``auto``: that of the segment in the last whole period, or of now.
        lift: Change to be found, as a share of the baseline.
        variants: Number of variants, the control included.
        power: Chance of finding it.

    Raises:
        PlanError: An argument can't be used.
        NoBuildError: There is no published file.
    """
    if not 0 < power < 1:
        raise PlanError(f"POWER is {power}. Expected a number between 0 and 1, such as .8.")
    if variants < 2:
        raise PlanError(f"VARIANTS is {variants}. Expected at least 2, with the control.")
    if lift == 0 or not math.isfinite(lift):
        raise PlanError(f"LIFT is {lift}. Expected a share other than 0, such as .10.")
    with open_to_read(published) as connection:
        _check_segment(connection, segment_key)
        value, source, deviation = _baseline(connection, segment_key, metric, baseline)
        ((members, contactable),) = connection.execute(_MEMBERS, [segment_key]).fetchall()
        ((days_known, entries),) = connection.execute(_ENTRIES, [segment_key]).fetchall()
    if value <= 0:
        raise PlanError(f"The baseline of {metric} is {value:g}. Expected a BASELINE above 0.")
    if deviation is None and not 0 < value * (1 + lift) < 1:
        raise PlanError(
            f"From {value:.1%}, LIFT={lift:g} leads to {value * (1 + lift):.1%}. Expected a share "
            "between 0% and 100%."
        )
    needed = customers_per_variant(
        value, value * lift, deviation=deviation, variants=variants, power=power
    )
    rate = entries / days_known if days_known else None
    missing = max(needed * variants - contactable, 0)
    days = 0 if not missing else math.ceil(missing / rate) if rate else None
    return Plan(
        value,
        source,
        deviation,
        needed,
        members,
        contactable,
        rate,
        days,
        detectable_effect(
            value, contactable // variants, deviation=deviation, variants=variants, power=power
        ),
    )


def plan_text(
    plan: Plan, segment_key: str, metric: str, *, lift: float, variants: int, power: float
) -> str:
    """The plan in a few lines."""
    of_share = plan.deviation is None

    def amount(value: float) -> str:
        return f"{value:.1%}" if of_share else f"{value:,.2f}"

    rate = plan.entries_per_day
    entering = "no history yet" if rate is None else f"{rate:,.2f} of these enter a day"
    reached = (
        "It has enough now."
        if plan.days == 0
        else "It does not get there by entries."
        if plan.days is None
        else f"It has enough in {plan.days:,} days."
    )
    found = (
        "Its members of now are too few to detect any increase."
        if plan.detectable is None
        else f"Its members of now can show an increase of {amount(plan.detectable)} "
        f"({plan.detectable / plan.baseline:.0%}) or more."
    ).replace("% (", " points (" if of_share else "% (")
    return "\n".join(
        [
            f"{segment_key}, {metric}: from {amount(plan.baseline)} ({plan.source}) "
            f"to {amount(plan.baseline * (1 + lift))}",
            f"Needed: {plan.per_variant:,} customers in each of {variants} variants, "
            f"{plan.per_variant * variants:,} in all, to find it with a power of {power:.0%}.",
            f"The segment has {plan.members:,} members, {plan.contactable:,} of whom may be "
            f"contacted; {entering}. {reached}",
            found,
        ]
    )


def _baseline(
    connection: duckdb.DuckDBPyConnection, segment_key: str, metric: str, baseline: str
) -> tuple[float, str, float | None]:
    """Value, source and, of a mean, the standard deviation."""
    rows = connection.execute(
        "select column_name from duckdb_columns() where table_name = 'customer_features' "
        "and (data_type in ('INTEGER', 'BIGINT', 'DOUBLE') or data_type like 'DECIMAL%') "
        "order by column_index"
    ).fetchall()
    means = [name for (name,) in rows]
    if metric not in (*SHARES, *means):
        raise PlanError(f"There is no metric '{metric}'. {did_you_mean(metric, [*SHARES, *means])}")
    deviation, found, source = None, None, "given"
    if metric in SHARES:
        for period, days, share in connection.execute(
            _SHARE.format(metric=metric), [segment_key]
        ).fetchall():
            found, source = share, _days(period, days)
    else:
        ((found, deviation),) = connection.execute(
            _MEAN.format(metric=metric), [segment_key]
        ).fetchall()
        source = "mean of its members now"
        if not deviation:
            raise PlanError(f"The members of {segment_key} don't differ in {metric}.")
    if baseline != "auto":
        try:
            value = float(baseline)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise PlanError(f"BASELINE is '{baseline}'. Expected auto or a number.")
        return value, "given", deviation
    if found is None:
        raise PlanError(f"{metric} of {segment_key} is not known. Expected a BASELINE.")
    return float(found), source, deviation


def _days(period: date, days: int) -> str:
    return f"its members of {period}, in {days} days"


def _check_segment(connection: duckdb.DuckDBPyConnection, segment_key: str) -> None:
    rows = connection.execute("select segment_key from segments order by segment_key").fetchall()
    keys = [key for (key,) in rows]
    if segment_key not in keys:
        raise PlanError(unknown_segment(segment_key, keys))
