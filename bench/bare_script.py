"""The same work without dbt: one script of DuckDB SQL, tuned by hand, from raw orders to marts.

It shares no code with the project. It takes what the project stores (centroids and natural breaks)
as a file of parameters, because fitting them is no part of a daily build.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import duckdb
from raw_orders import AS_OF, TIMEZONE
from rules import Condition, rules

DAY = f"date '{AS_OF}'"
SCHEMES = [
    "rfm",
    "value_tier",
    "spend_breaks",
    "spend_limits",
    "purchase_rhythm",
    "lifecycle",
    "demographic",
    "cluster",
]
PROFILED = {
    "monetary_mean": "monetary_mean",
    "recency_days__all": "recency_days",
    "tenure_days__all": "tenure_days",
    "orders__all": "frequency",
    "orders__365d": "orders_365d",
    "revenue__all": "monetary",
    "revenue__365d": "revenue_365d",
    "purchase_days__all": "purchase_days",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="folder with orders.parquet")
    parser.add_argument("target", type=Path, help="file of the marts")
    parser.add_argument("--parameters", type=Path, required=True, help="stored fits, as JSON")
    parser.add_argument("--rules", type=int, default=200)
    options = parser.parse_args()
    options.target.unlink(missing_ok=True)
    parameters = json.loads(options.parameters.read_text())
    with duckdb.connect(str(options.target)) as connection:
        for statement in (
            "set memory_limit = '2500MB'",
            "set threads = 2",
            "set TimeZone = 'UTC'",
            "set preserve_insertion_order = false",
            *statements(options.raw / "orders.parquet", parameters, options.rules),
        ):
            connection.execute(statement)


def statements(orders: Path, parameters: dict[str, Any], number_of_rules: int) -> list[str]:
    """All SQL, in order. Tables without `main.` are temporary."""
    source = f"read_parquet('{orders}')"
    wanted = rules(number_of_rules)
    return [
        *_load(source),
        *_features(wanted),
        *_cuts(wanted),
        *_segments(parameters),
        *_memberships(wanted),
        *_marts(),
    ]


def _load(source: str) -> list[str]:
    # One day has at most two offsets from UTC. They are looked up by day, and only on the few days
    # with a change is each row asked for its own.
    offsets = f"""
    create temp table offsets as
    select
        cast(day as date) as day,
        case when starts = ends then starts end as microseconds
    from (
        select
            day,
            epoch_us(timezone('{TIMEZONE}', timezone('UTC', day))) - epoch_us(day) as starts,
            epoch_us(timezone('{TIMEZONE}', timezone('UTC', day + interval 1 day)))
            - epoch_us(day + interval 1 day) as ends
        from (
            select unnest(generate_series(timestamp '2000-01-01', timestamp '2040-01-01',
                interval 1 day)) as day
        )
    )"""
    typed = f"""
    select
        hash(order_id, source_system) as order_key,
        case when customer_ref is not null then hash(customer_ref, source_system) end
            as customer_key,
        coalesce(
            cast(make_timestamp(epoch_us(ordered_at) + microseconds) as date),
            cast(timezone('{TIMEZONE}', timezone('UTC', ordered_at)) as date)
        ) as day,
        cast(amount as decimal(18, 2)) as amount,
        status = 'completed' as is_completed,
        status <> 'ignored' as counts,
        case
            when order_id is null then 'missing_order_id'
            when status not in ('completed', 'returned', 'ignored') then 'unknown_status'
            when status = 'completed' and amount < 0 then 'negative_completed'
            when status = 'returned' and amount > 0 then 'positive_return'
            when ordered_at > loaded_at + interval 24 hour then 'future_date'
        end as rule,
        ordered_at,
        loaded_at,
        order_id,
        source_system,
        customer_ref
    from {source} as raw
    left join offsets on cast(raw.ordered_at as date) = offsets.day"""
    slim = "order_key, customer_key, day, amount, is_completed, counts, rule"
    return [
        offsets,
        f"create temp table typed as select {slim} from ({typed})",
        """
        create temp table repeated as
        select order_key from typed where rule is null group by order_key having count(*) > 1
        """,
        # Whole rows are needed of repeated keys alone.
        f"""
        create temp table repeats as
        select
            *,
            row_number() over (partition by order_id, source_system order by loaded_at desc,
                amount, ordered_at) as position,
            count(distinct (customer_key, amount, ordered_at, is_completed, counts))
                over (partition by order_id, source_system, loaded_at) > 1
            and loaded_at = max(loaded_at) over (partition by order_id, source_system)
                as is_doubtful
        from ({typed})
        semi join repeated using (order_key)
        where rule is null
        """,
        """
        create temp table settled as
        select *, max(is_doubtful) over (partition by order_id, source_system) as is_conflict
        from repeats
        """,
        """
        create temp table loaded as
        select customer_key, day, amount, is_completed, counts
        from typed
        anti join repeated using (order_key)
        where rule is null and customer_key is not null
        union all
        select customer_key, day, amount, is_completed, counts
        from settled
        where position = 1 and not is_conflict and customer_key is not null
        """,
        f"""
        create table main.quarantined_records as
        select coalesce(order_id, '') as record_key, source_system, rule
        from ({typed}) where rule is not null
        union all
        select order_id, source_system, 'conflicting_repeat' from settled where is_conflict
        """,
        """
        create table main.source_coverage as
        with fates as (
            select
                (select count(*) from typed) as rows,
                (select count(*) from main.quarantined_records) as quarantined,
                (select count(*) from settled where position > 1 and not is_conflict)
                    as deduplicated
        )
        unpivot (select rows, quarantined, deduplicated, rows - quarantined - deduplicated as loaded
            from fates) on columns(*) into name check_name value value
        """,
        f"""
        create temp table people as
        select
            customer_key,
            min(source_system) as source_system,
            min(customer_ref) as customer_ref
        from (select hash(customer_ref, source_system) as customer_key, source_system, customer_ref
            from {source} where customer_ref is not null)
        group by customer_key
        """,
    ]


def _window(condition: Condition) -> str:
    parts = [
        condition["metric"],
        *(str(condition[name]) for name in ("from", "to") if name in condition),
    ]
    return "_".join(["w", *parts])


def _conditions(wanted: dict[str, dict[str, list[Condition]]]) -> list[Condition]:
    return [c for rule in wanted.values() for conditions in rule.values() for c in conditions]


def _features(wanted: dict[str, dict[str, list[Condition]]]) -> list[str]:
    windows = {_window(condition): condition for condition in _conditions(wanted)}
    windows |= {
        _window(condition): condition
        for condition in (
            {"metric": "orders", "from": 365, "to": 0},
            {"metric": "revenue", "from": 365, "to": 0},
        )
    }
    columns = []
    for name, condition in sorted(windows.items()):
        limits = []
        if "from" in condition:
            limits.append(f"day >= {DAY} - {condition['from']}")
        if condition.get("to"):
            limits.append(f"day < {DAY} - {condition['to']}")
        if condition["metric"] != "revenue":
            limits.append("is_completed" if condition["metric"] == "orders" else "not is_completed")
        when = f"case when {' and '.join(limits)} then"
        columns.append(
            f"coalesce(cast(sum({when} amount end) as decimal(18, 2)), 0) as {name}"
            if condition["metric"] == "revenue"
            else f"count({when} 1 end) as {name}"
        )
    return [
        f"""
        create temp table sums as
        select
            customer_key,
            count(case when is_completed then 1 end) as frequency,
            coalesce(cast(sum(amount) as decimal(18, 2)), 0) as monetary,
            {DAY} - max(case when is_completed then day end) as recency_days,
            {DAY} - min(case when is_completed then day end) as tenure_days,
            {", ".join(columns)}
        from loaded
        where counts and day < {DAY}
        group by customer_key
        """,
        f"""
        create temp table purchase_days as
        select
            customer_key,
            count(*) as purchase_days,
            {DAY} - max(day) as recency_days,
            max(day, 2) as last_two
        from (select distinct customer_key, day from loaded where is_completed and day < {DAY})
        group by customer_key
        """,
        f"""
        create temp table seen as
        select customer_key, min(day) as first_seen_on,
            max(case when day < {DAY} then day end) as last_seen_on
        from loaded
        group by customer_key
        """,
        f"""
        create temp table features as
        select
            seen.customer_key,
            sums.* exclude (customer_key, frequency, monetary)
                replace (sums.recency_days as recency_days),
            coalesce(frequency, 0) as frequency,
            coalesce(monetary, 0) as monetary,
            coalesce(purchase_days, 0) as purchase_days,
            cast(round(cast(monetary * 100 as double) / nullif(frequency, 0)) / 100
                as decimal(18, 2)) as monetary_mean,
            coalesce(w_orders_365_0, 0) as orders_365d,
            coalesce(w_revenue_365_0, 0) as revenue_365d,
            last_two[1] - last_two[2] as gap_days,
            coalesce(frequency, 0) > 0 as is_buyer,
            case when sums.frequency is null then 'prospect'
                when sums.frequency = 0 then 'returns_only' end as non_buyer,
            first_seen_on,
            last_seen_on
        from seen
        left join sums using (customer_key)
        left join purchase_days using (customer_key)
        where first_seen_on < {DAY}
        """,
    ]


def _cuts(wanted: dict[str, dict[str, list[Condition]]]) -> list[str]:
    rfm = [
        f"quantile_disc({column}, {cut} order by {column} {order}) as {column}_{number}"
        for column, order in (("recency_days", "desc"), ("frequency", ""), ("monetary", ""))
        for number, cut in enumerate((0.2, 0.4, 0.6, 0.8), 1)
    ]
    top = {
        f"{_window(c)}_top_{c['top_percent']}": (
            f"quantile_disc(case when coalesce({_window(c)}, 0) > 0 then {_window(c)} end, "
            f"{1 - c['top_percent'] / 100:.8f})"
        )
        for c in _conditions(wanted)
        if "top_percent" in c
    }
    tops = "".join(f", {sql} as {name}" for name, sql in sorted(top.items()))
    return [
        f"""
        create temp table cuts as
        select *
        from (select {", ".join(rfm)}, min(recency_days) as recency_days_5,
            max(frequency) as frequency_5, max(monetary) as monetary_5
            from features where is_buyer)
        cross join (select quantile_disc(revenue_365d, .8) as high_from,
            quantile_disc(revenue_365d, .5) as medium_from
            from features where revenue_365d > 0)
        cross join (select max(1){tops} from features)
        """,
    ]


def _score(column: str, better: str) -> str:
    steps = " + ".join(f"({column} {better} {column}_{cut})::int" for cut in range(1, 5))
    return (
        f"case when not is_buyer then null when {column} {better}= {column}_5 then 5 "
        f"else 1 + {steps} end"
    )


def _segments(parameters: dict[str, Any]) -> list[str]:
    breaks = " + ".join(f"(monetary > {limit})::int" for limit in parameters["breaks"])
    scaled = [
        f"(least(greatest({'ln(1 + greatest(' + f['column'] + ', 0))' if f['log'] else f['column']}"
        f", {f['lower']!r}), {f['upper']!r}) - {f['centre']!r}) / {f['scale']!r} as z{index}"
        for index, f in enumerate(parameters["features"])
    ]
    distances = [
        "sqrt("
        + " + ".join(f"power(z{i} - {x!r}, 2)" for i, x in enumerate(cluster["centre"]))
        + f") as d{number}"
        for number, cluster in enumerate(parameters["clusters"])
    ]
    numbers = range(len(parameters["clusters"]))
    nearest = "least(" + ", ".join(f"d{n}" for n in numbers) + ")"
    beyond = (
        "least("
        + ", ".join(f"d{n} - {parameters['clusters'][n]['limit']!r}" for n in numbers)
        + ")"
    )
    keys = " ".join(
        f"when d{n} <= nearest + 1e-9 then '{parameters['clusters'][n]['key']}'" for n in numbers
    )
    return [
        f"""
        create temp table clusters as
        select customer_key,
            case when beyond > 1e-9 then 'outlier' {keys} end as cluster_key
        from (select *, {nearest} as nearest, {beyond} as beyond
            from (select customer_key, {", ".join(distances)}
                from (select customer_key, {", ".join(scaled)} from features where is_buyer)))
        """,
        f"""
        create temp table scored as
        select
            features.*,
            {_score("recency_days", "<")} as recency_score,
            {_score("frequency", ">")} as frequency_score,
            {_score("monetary", ">")} as monetary_score,
            coalesce(non_buyer, case
                when coalesce(revenue_365d, 0) <= 0 then 'none' when revenue_365d >= high_from
                then 'high' when revenue_365d >= medium_from then 'medium' else 'low' end)
                as value_tier,
            coalesce(non_buyer, 'band_' || (1 + {breaks})) as spend_breaks,
            coalesce(non_buyer, case when monetary >= 2000 then 'large'
                when monetary >= 500 then 'medium' else 'small' end) as spend_limits,
            coalesce(non_buyer, case when orders_365d >= 4 then 'frequent'
                when orders_365d >= 1 then 'occasional' else 'inactive' end) as purchase_rhythm,
            coalesce(non_buyer, case when tenure_days <= 30 then 'new'
                when recency_days <= 90 and gap_days > 365 then 'returning'
                when recency_days <= 90 then 'active' when recency_days <= 365 then 'lapsing'
                else 'lapsed' end) as lifecycle,
            coalesce(non_buyer, 'unknown') as demographic,
            coalesce(non_buyer, cluster_key) as cluster,
            cuts.*
        from features
        cross join cuts
        left join clusters using (customer_key)
        """,
        """
        create temp table segmented as
        select *, case
            when not is_buyer then non_buyer
            when recency_score <= 2 and frequency_score <= 2 then 'hibernating'
            when recency_score <= 2 and frequency_score <= 4 then 'at_risk'
            when recency_score <= 2 then 'cannot_lose'
            when recency_score = 3 and frequency_score <= 2 then 'about_to_sleep'
            when recency_score = 3 and frequency_score = 3 then 'need_attention'
            when recency_score = 4 and frequency_score = 1 then 'promising'
            when recency_score = 5 and frequency_score = 1 then 'recent_occasional'
            when recency_score >= 4 and frequency_score <= 3 then 'potential_loyalist'
            when recency_score = 5 then 'champions'
            else 'loyal' end as rfm
        from scored
        """,
    ]


def _condition(condition: Condition) -> str:
    value = f"coalesce({_window(condition)}, 0)"
    if "between" in condition:
        return f"{value} between {condition['between'][0]} and {condition['between'][1]}"
    if "top_percent" in condition:
        cut = f"{_window(condition)}_top_{condition['top_percent']}"
        return f"({value} > 0 and {value} >= {cut})"
    if "at_least" in condition:
        return f"{value} >= {condition['at_least']}"
    return f"{value} <= {condition['at_most']}"


def _memberships(wanted: dict[str, dict[str, list[Condition]]]) -> list[str]:
    cases = [
        f"case when {(' and ' if group == 'all' else ' or ').join(map(_condition, conditions))} "
        f"then 'rule:{key}' end"
        for key, rule in wanted.items()
        for group, conditions in rule.items()
    ]
    exclusive = [f"'{scheme}:' || {scheme}" for scheme in SCHEMES]
    every = ", ".join([*exclusive, *cases])
    return [
        f"""
        create table main.segment_memberships as
        select customer_key, {DAY} as as_of,
            unnest(list_filter([{every}], lambda key: key is not null)) as segment_key
        from segmented
        """,
    ]


def _marts() -> list[str]:
    profiles = " union all ".join(
        f"""
        select segment_key, '{name}' as feature, count({column}) as members,
            round(
                cast(sum(cast({column} as decimal(38, 12))) as double) / count({column}), 6
            ) as mean,
            quantile_disc({column}, [.25, .5, .75]) as quartiles
        from main.segment_memberships inner join segmented using (customer_key)
        group by segment_key"""
        for name, column in PROFILED.items()
    )
    return [
        """
        create table main.customers as
        select source_system, customer_ref, first_seen_on, last_seen_on, customer_key
        from segmented inner join people using (customer_key)
        """,
        f"""
        create table main.customer_features as
        select customer_key, {DAY} as as_of, recency_days, frequency, monetary, monetary_mean,
            tenure_days, purchase_days, orders_365d, revenue_365d, is_buyer
        from segmented
        """,
        f"""
        create table main.customer_segments as
        select customer_key, {DAY} as as_of, recency_score, frequency_score, monetary_score,
            {", ".join(SCHEMES)}, is_buyer
        from segmented
        """,
        f"""
        create table main.customer_history as
        select customer_key, {DAY} as as_of, recency_days, frequency, monetary, recency_score,
            frequency_score, monetary_score, rfm, value_tier, lifecycle, cluster, is_buyer
        from segmented
        """,
        f"""
        create table main.segment_history as
        select customer_key, segment_key, {DAY} as valid_from, cast(null as date) as valid_to
        from main.segment_memberships
        """,
        """
        create table main.segment_changes as
        select hash(customer_key, segment_key, 'entered', as_of) as change_id, customer_key,
            segment_key, 'entered' as change, as_of as changed_on, 'behaviour' as cause
        from main.segment_memberships
        """,
        f"create table main.segment_profiles as {profiles}",
        """
        create table main.segment_kpis as
        select segment_key, count(*) as customers, sum(monetary) as revenue
        from main.segment_memberships inner join segmented using (customer_key)
        group by segment_key
        """,
        "create table main.segment_cutpoints as unpivot (select columns(*)::double from cuts) "
        "on columns(*) into name cut value cut_value",
        """
        create table main.segment_samples as
        select segment_key, customer_key
        from main.segment_memberships
        qualify row_number() over (partition by segment_key
            order by hash(segment_key, customer_key)) <= 5
        """,
    ]


if __name__ == "__main__":
    main()
