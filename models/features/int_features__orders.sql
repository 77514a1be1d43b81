-- One row per completed order or return of an eligible customer: the slim table that every order metric reads.
--
-- An order is big by the customer's own orders of earlier days, so that no later order changes it.

{% set big_purchase = whole_numbers_var('big_purchase', ['times', 'after_orders']) -%}

with orders as (
    select * from {{ ref('stg_orders') }}
),

customer_references as (
    select * from {{ ref('int_identity__eligible_references') }}
),

customer_orders as (
    select
        customer_references.customer_key,
        orders.ordered_on as day,
        orders.ordered_at,
        cast({{ dbt.date_trunc('month', 'orders.ordered_on') }} as date) as month,
        {{ local_hour('orders.ordered_at') }} as hour,
        orders.amount,
        {{ is_weekend('orders.ordered_on') }} as is_weekend,
        orders.status = 'completed' as is_completed
    from orders
    inner join customer_references
        on
            orders.source_system = customer_references.source_system
            and orders.customer_ref = customer_references.customer_ref
    where orders.status in ('completed', 'returned')
),

compared_orders as (
    select
        *,
        coalesce(
            is_completed
            and count(*) over earlier_days >= {{ big_purchase.after_orders }}
            and amount * count(*) over earlier_days > {{ big_purchase.times }} * sum(amount) over earlier_days,
            false
        ) as is_big
    from customer_orders
    window earlier_days as (
        partition by customer_key, is_completed
        order by {{ days_between("date '1970-01-01'", 'day') }}
        range between unbounded preceding and 1 preceding
    )
)

select * from compared_orders
