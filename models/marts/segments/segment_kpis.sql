{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='period',
    on_schema_change='append_new_columns',
    meta={'replaced_periods': 'is_measured'}
) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

history as (
    select * from {{ ref('customer_history') }}
),

people as (
    select * from {{ ref('int_identity__customers') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_measured
),

orders as (
    select * from {{ ref('int_features__orders') }}
),

period_orders as (
    select
        periods.as_of,
        orders.customer_key,
        sum(orders.amount) as revenue,
        sum(case when orders.is_completed then 1 else 0 end) as orders
    from periods
    inner join orders on periods.as_of <= orders.day and periods.next_as_of > orders.day
    group by periods.as_of, orders.customer_key
),

customers as (
    select
        history.as_of,
        people.customer_key,
        history.frequency,
        history.monetary,
        history.is_buyer
    from history
    inner join periods on history.as_of = periods.as_of
    inner join people on history.customer_id = people.customer_id
),

totals as (
    select
        as_of,
        count(*) as customers,
        count(case when is_buyer then 1 end) as buyers,
        sum(monetary) as revenue
    from customers
    group by as_of
),

sizes as (
    select
        memberships.as_of,
        memberships.segment_key,
        memberships.scheme,
        count(*) as customers,
        sum(customers.monetary) as revenue,
        sum(customers.frequency) as orders,
        sum(period_orders.revenue) as period_revenue,
        sum(period_orders.orders) as period_orders,
        count(case when period_orders.orders >= 1 then 1 end) as converted,
        count(case when period_orders.orders >= 2 then 1 end) as repeated
    from memberships
    inner join customers
        on
            memberships.as_of = customers.as_of
            and memberships.customer_key = customers.customer_key
    left join period_orders
        on
            memberships.as_of = period_orders.as_of
            and memberships.customer_key = period_orders.customer_key
    group by memberships.as_of, memberships.segment_key, memberships.scheme
),

-- Segments are listed with 0 where nobody is in them, those that depend on the data (clusters, values of an attribute) for
-- today alone: at an earlier period there were others.
all_segments as (
    select
        periods.as_of,
        segments.segment_key,
        segments.scheme
    from periods
    cross join segments
    where periods.is_current or segments.scheme not in ('cluster', 'demographic')
    union distinct
    select
        as_of,
        segment_key,
        scheme
    from sizes
),

final as (
    select
        -- ids
        all_segments.as_of as period,
        all_segments.segment_key,
        all_segments.scheme,

        -- size
        coalesce(sizes.customers, 0) as customers,
        {{ rounded('coalesce(sizes.customers, 0) / nullif(cast(totals.customers as double), 0)') }} as customer_share,
        case
            when all_segments.segment_key <> all_segments.scheme || ':prospect'
                then {{ rounded('coalesce(sizes.customers, 0) / nullif(cast(totals.buyers as double), 0)') }}
        end as buyer_share,

        -- value
        cast(coalesce(sizes.revenue, 0) as decimal(18, 2)) as revenue,
        {{ rounded('coalesce(sizes.revenue, 0) / nullif(cast(totals.revenue as double), 0)') }} as revenue_share,
        {{ money_mean('sizes.revenue', 'sizes.orders') }} as average_order_value,
        case
            when not periods.is_current then cast(coalesce(sizes.period_revenue, 0) as decimal(18, 2))
        end as period_revenue,
        case
            when not periods.is_current then {{ money_mean('sizes.period_revenue', 'sizes.period_orders') }}
        end as period_order_value,
        case
            when not periods.is_current
                then {{ rounded('sizes.converted / nullif(cast(sizes.customers as double), 0)') }}
        end as conversion,
        case
            when not periods.is_current
                then {{ rounded('sizes.repeated / nullif(cast(sizes.customers as double), 0)') }}
        end as repeat_rate
    from all_segments
    inner join periods on all_segments.as_of = periods.as_of
    left join sizes
        on
            all_segments.as_of = sizes.as_of
            and all_segments.segment_key = sizes.segment_key
    left join totals on all_segments.as_of = totals.as_of
)

select * from final
