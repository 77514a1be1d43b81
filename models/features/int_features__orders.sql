-- One row per completed order or return of an eligible customer: the slim table that every order metric reads.

with orders as (
    select * from {{ ref('stg_orders') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

customers as (
    select * from {{ ref('int_identity__customers') }}
),

customer_orders as (
    select
        customers.customer_key,
        orders.ordered_on as day,
        orders.ordered_at,
        orders.amount,
        orders.status = 'completed' as is_completed
    from orders
    inner join customer_references
        on
            orders.source_system = customer_references.source_system
            and orders.customer_ref = customer_references.customer_ref
    inner join customers on customer_references.customer_key = customers.customer_key
    where
        orders.status in ('completed', 'returned')
        and not customers.is_excluded
)

select * from customer_orders
