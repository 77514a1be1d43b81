-- One row per as_of, non-empty segment and number of days: size and value as of the date, and what the members did in the days
-- that follow, as known at their end.

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

spans as (
    select spans.*
    from {{ ref('int_periods__spans') }} as spans
    inner join periods on spans.as_of = periods.as_of
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

period_orders as (
    select
        spans.as_of,
        spans.days,
        orders.customer_key,
        sum(orders.amount) as revenue,
        sum(case when orders.is_completed then 1 else 0 end) as orders
    from spans
    inner join orders on spans.as_of <= orders.day and spans.ends_on > orders.day
    group by spans.as_of, spans.days, orders.customer_key
),

period_sessions as (
    select
        spans.as_of,
        spans.days,
        sessions.customer_key,
        count(*) as sessions
    from spans
    inner join sessions
        on
            spans.as_of <= sessions.day
            and spans.ends_on > sessions.attributed_from
            and spans.ends_on <= sessions.attributed_until
    group by spans.as_of, spans.days, sessions.customer_key
),

period_contacts as (
    select
        spans.as_of,
        spans.days,
        contacts.customer_key,
        max(case when contacts.responded_on < spans.ends_on then 1 else 0 end) as has_responded
    from spans
    inner join contacts on spans.as_of <= contacts.contacted_on and spans.ends_on > contacts.contacted_on
    group by spans.as_of, spans.days, contacts.customer_key
),

-- Facts are joined to customers before customers are joined to their memberships, of which each has a dozen: the largest
-- table that a join holds in memory is that of customers.
customers as (
    select
        history.as_of,
        spans.days,
        spans.is_all_days,
        {{ compact_key('history.customer_id') }} as customer_key,
        history.frequency,
        history.monetary,
        history.is_buyer
    from history
    inner join spans on history.as_of = spans.as_of
),

customers_with_facts as (
    select
        customers.*,
        period_orders.revenue as period_revenue,
        period_orders.orders as period_orders,
        period_sessions.sessions,
        period_contacts.has_responded
    from customers
    left join period_orders
        on
            customers.as_of = period_orders.as_of
            and customers.days = period_orders.days
            and customers.customer_key = period_orders.customer_key
    left join period_sessions
        on
            customers.as_of = period_sessions.as_of
            and customers.days = period_sessions.days
            and customers.customer_key = period_sessions.customer_key
    left join period_contacts
        on
            customers.as_of = period_contacts.as_of
            and customers.days = period_contacts.days
            and customers.customer_key = period_contacts.customer_key
),

sums as (
    select
        memberships.as_of,
        memberships.segment_key,
        memberships.scheme,
        customers.days,
        customers.is_all_days,
        count(*) as customers,
        count(case when customers.is_buyer then 1 end) as buyers,
        sum(customers.monetary) as revenue,
        sum(customers.frequency) as orders,
        sum(customers.period_revenue) as period_revenue,
        sum(customers.period_orders) as period_orders,
        count(case when customers.period_orders >= 1 then 1 end) as converted,
        count(case when customers.period_orders >= 2 then 1 end) as repeated,
        coalesce(sum(customers.sessions), 0) as sessions,
        count(customers.has_responded) as contacted,
        sum(customers.has_responded) as responded
    from memberships
    inner join customers_with_facts as customers
        on
            memberships.as_of = customers.as_of
            and memberships.customer_key = customers.customer_key
    group by memberships.as_of, memberships.segment_key, memberships.scheme, customers.days, customers.is_all_days
)

select * from sums
