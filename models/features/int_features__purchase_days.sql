-- One row per as_of and buyer: the last day with a completed order, and the one before it.

with orders as (
    select * from {{ ref('int_facts__orders') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

last_days as (
    select
        periods.as_of,
        orders.customer_key,
        max(orders.day) as last_purchase_on
    from periods
    inner join orders on periods.as_of > orders.day
    where orders.is_completed
    group by periods.as_of, orders.customer_key
),

purchase_days as (
    select
        last_days.as_of,
        last_days.customer_key,
        last_days.last_purchase_on,
        max(orders.day) as previous_purchase_on
    from last_days
    left join orders
        on
            last_days.customer_key = orders.customer_key
            and last_days.last_purchase_on > orders.day
            and orders.is_completed
    group by last_days.as_of, last_days.customer_key, last_days.last_purchase_on
)

select * from purchase_days
