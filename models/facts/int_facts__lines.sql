-- One row per line of a completed order or return of an eligible customer: the slim table that line metrics, interests and
-- prices read. Lines are scanned only here.

with order_lines as (
    select * from {{ ref('stg_order_lines') }}
),

products as (
    select * from {{ ref('stg_products') }}
),

orders as (
    select * from {{ ref('stg_orders') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

customer_orders as (
    select
        orders.source_system,
        orders.order_id,
        customer_references.customer_key,
        orders.ordered_on as day,
        orders.status = 'completed' as is_completed
    from orders
    inner join customer_references
        on
            orders.source_system = customer_references.source_system
            and orders.customer_ref = customer_references.customer_ref
    where orders.status in ('completed', 'returned')
),

customer_lines as (
    select
        -- ids
        customer_orders.customer_key,
        order_lines.product_id,

        -- dates
        customer_orders.day,

        -- words
        products.category,

        -- numbers
        order_lines.amount,

        -- flags
        order_lines.discount_amount > 0 as is_discounted,
        customer_orders.is_completed
    from order_lines
    inner join customer_orders
        on
            order_lines.source_system = customer_orders.source_system
            and order_lines.order_id = customer_orders.order_id
    left join products on order_lines.product_id = products.product_id
)

select * from customer_lines
