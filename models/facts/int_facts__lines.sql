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

zone_days as (
    {{ zone_days() | indent(4) }}
),

customer_orders as (
    select
        orders.source_system,
        orders.order_id,
        {{ quick_hash(['orders.source_system', 'orders.order_id']) }} as order_key,
        customer_references.customer_key,
        orders.campaign_id,
        orders.ordered_on as day,
        {{ placed_at('orders.ordered_at') | indent(8) }} as placed_at,
        orders.channel,
        orders.coupon,
        orders.status = 'completed' as is_completed
    from orders
    inner join customer_references
        on
            orders.source_system = customer_references.source_system
            and orders.customer_ref = customer_references.customer_ref
    left join zone_days on {{ utc_date('orders.ordered_at') }} = zone_days.utc_day
    where orders.status in ('completed', 'returned')
),

customer_lines as (
    select
        -- ids
        customer_orders.order_key,
        customer_orders.customer_key,
        customer_orders.campaign_id,
        order_lines.product_id,

        -- dates
        customer_orders.day,
        customer_orders.placed_at,

        -- words
        customer_orders.channel,
        customer_orders.coupon,
        products.name,
        products.category,
        products.subcategory,
        products.brand,

        -- numbers
        order_lines.amount,
        order_lines.quantity,

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
