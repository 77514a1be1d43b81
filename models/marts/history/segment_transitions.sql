-- From each segment of an exclusive scheme at one period to each at the next. Customers who were not known before come from
-- `outside`, those no longer known go there, so that both sides add up to all customers.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='period',
    on_schema_change='append_new_columns'
) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
    where scheme <> 'rule'
),

changes as (
    select * from {{ ref('int_segmentation__changes') }}
    where scheme <> 'rule'
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built and previous_as_of is not null
),

movers as (
    select
        periods.as_of,
        periods.previous_as_of,
        changes.customer_key,
        changes.scheme,
        coalesce(max(case when changes.change = 'exited' then changes.segment_key end), 'outside') as from_segment,
        coalesce(max(case when changes.change = 'entered' then changes.segment_key end), 'outside') as to_segment
    from changes
    inner join periods on changes.changed_on = periods.as_of
    group by periods.as_of, periods.previous_as_of, changes.customer_key, changes.scheme
),

-- A customer who enters the segment left at the previous period has returned.
moves as (
    select
        movers.as_of as period,
        movers.scheme,
        movers.from_segment,
        movers.to_segment,
        count(*) as customers,
        count(left_before.customer_key) as returned
    from movers
    left join changes as left_before
        on
            movers.previous_as_of = left_before.changed_on
            and movers.customer_key = left_before.customer_key
            and movers.to_segment = left_before.segment_key
            and left_before.change = 'exited'
    group by movers.as_of, movers.scheme, movers.from_segment, movers.to_segment
),

sizes as (
    select
        periods.as_of as period,
        memberships.scheme,
        memberships.segment_key,
        count(*) as customers
    from memberships
    inner join periods on memberships.as_of = periods.previous_as_of
    group by periods.as_of, memberships.scheme, memberships.segment_key
),

left_in_all as (
    select
        period,
        scheme,
        from_segment,
        cast(sum(customers) as bigint) as customers
    from moves
    group by period, scheme, from_segment
),

stays as (
    select
        sizes.period,
        sizes.scheme,
        sizes.segment_key,
        sizes.customers - coalesce(left_in_all.customers, 0) as customers
    from sizes
    left join left_in_all
        on
            sizes.period = left_in_all.period
            and sizes.scheme = left_in_all.scheme
            and sizes.segment_key = left_in_all.from_segment
),

counted as (
    select * from moves
    union all
    select
        period,
        scheme,
        segment_key as from_segment,
        segment_key as to_segment,
        customers,
        0 as returned
    from stays
    where customers > 0
),

totals as (
    select
        period,
        scheme,
        from_segment,
        sum(customers) as customers
    from counted
    group by period, scheme, from_segment
),

final as (
    select
        counted.period,
        counted.scheme,
        counted.from_segment,
        counted.to_segment,
        counted.customers,
        counted.returned,
        {{ rounded('counted.customers / cast(totals.customers as double)') }} as rate,
        cast({{ dbt.datediff('periods.previous_as_of', 'periods.as_of', 'day') }} as bigint) as days  -- noqa: LT05
    from counted
    inner join periods on counted.period = periods.as_of
    inner join totals
        on
            counted.period = totals.period
            and counted.scheme = totals.scheme
            and counted.from_segment = totals.from_segment
)

select * from final
