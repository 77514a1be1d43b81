-- One row per as_of and non-empty segment: size and value as of it, and what the members did until the next one, as known at
-- its end.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns',
    meta={'replaced_periods': 'is_measured'}
) }}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

history as (
    select * from {{ ref('customer_history') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_measured
),

orders as (
    select * from {{ ref('int_facts__orders') }}
),

sessions as (
    select * from {{ ref('int_facts__sessions') }}
),

contacts as (
    select * from {{ ref('int_facts__contacts') }}
),

customers as (
    select
        history.as_of,
        {{ compact_key('history.customer_id') }} as customer_key,
        history.frequency,
        history.monetary,
        history.is_buyer
    from history
    inner join periods on history.as_of = periods.as_of
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

period_sessions as (
    select
        periods.as_of,
        sessions.customer_key,
        count(*) as sessions
    from periods
    inner join sessions
        on
            periods.as_of <= sessions.day
            and periods.next_as_of > sessions.attributed_from
            and periods.next_as_of <= sessions.attributed_until
    group by periods.as_of, sessions.customer_key
),

period_contacts as (
    select
        periods.as_of,
        contacts.customer_key,
        max(case when contacts.responded_on < periods.next_as_of then 1 else 0 end) as has_responded
    from periods
    inner join contacts on periods.as_of <= contacts.contacted_on and periods.next_as_of > contacts.contacted_on
    group by periods.as_of, contacts.customer_key
),

sums as (
    select
        memberships.as_of,
        memberships.segment_key,
        memberships.scheme,
        count(*) as customers,
        count(case when customers.is_buyer then 1 end) as buyers,
        sum(customers.monetary) as revenue,
        sum(customers.frequency) as orders,
        sum(period_orders.revenue) as period_revenue,
        sum(period_orders.orders) as period_orders,
        count(case when period_orders.orders >= 1 then 1 end) as converted,
        count(case when period_orders.orders >= 2 then 1 end) as repeated,
        coalesce(sum(period_sessions.sessions), 0) as sessions,
        count(period_contacts.has_responded) as contacted,
        sum(period_contacts.has_responded) as responded
    from memberships
    inner join customers
        on
            memberships.as_of = customers.as_of
            and memberships.customer_key = customers.customer_key
    {%- for facts in ['period_orders', 'period_sessions', 'period_contacts'] %}
    left join {{ facts }}
        on
            memberships.as_of = {{ facts }}.as_of
            and memberships.customer_key = {{ facts }}.customer_key
    {%- endfor %}
    group by memberships.as_of, memberships.segment_key, memberships.scheme
)

select * from sums
