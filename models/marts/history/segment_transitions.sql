-- From each segment of an exclusive scheme at one period to each at the next. Customers who were not known before, or are not
-- any more, come from or go to `outside`, so that both sides add up to all customers.

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

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

moves as (
    select
        periods.as_of,
        memberships.scheme,
        memberships.customer_key,
        memberships.segment_key as to_segment,
        cast(null as {{ dbt.type_string() }}) as from_segment
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    where periods.previous_as_of is not null
    union all
    select
        periods.as_of,
        memberships.scheme,
        memberships.customer_key,
        cast(null as {{ dbt.type_string() }}) as to_segment,
        memberships.segment_key as from_segment
    from memberships
    inner join periods on memberships.as_of = periods.previous_as_of
),

customers as (
    select
        as_of,
        scheme,
        customer_key,
        coalesce(max(from_segment), 'outside') as from_segment,
        coalesce(max(to_segment), 'outside') as to_segment
    from moves
    group by as_of, scheme, customer_key
),

counted as (
    select
        as_of as period,
        scheme,
        from_segment,
        to_segment,
        count(*) as customers
    from customers
    group by as_of, scheme, from_segment, to_segment
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
        {{ rounded('counted.customers / cast(totals.customers as double)') }} as rate
    from counted
    inner join totals
        on
            counted.period = totals.period
            and counted.scheme = totals.scheme
            and counted.from_segment = totals.from_segment
)

select * from final
