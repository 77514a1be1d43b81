-- One row per completed order or return of an eligible customer: the slim table that every order metric reads.
--
-- An order is big compared with the customer's own orders of earlier days, so no later order changes that.

{% set big_purchase = setting('big_purchase') -%}

with orders as (
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
        {{ quick_hash(['orders.source_system', 'orders.order_id']) }} as order_key,
        customer_references.customer_key,
        orders.campaign_id,
        orders.ordered_on as day,
        orders.ordered_at,
        {{ placed_at('orders.ordered_at') | indent(8) }} as placed_at,
        cast({{ dbt.date_trunc('month', 'orders.ordered_on') }} as date) as month,
        {{ local_hour_by_zone_day('orders.ordered_at') | indent(8) }} as hour,
        orders.amount,
        orders.channel,
        orders.coupon,
        {{ is_weekend('orders.ordered_on') }} as is_weekend,
        orders.status = 'completed' as is_completed
    from orders
    inner join customer_references
        on
            orders.source_system = customer_references.source_system
            and orders.customer_ref = customer_references.customer_ref
    left join zone_days on {{ utc_date('orders.ordered_at') }} = zone_days.utc_day
    where orders.status in ('completed', 'returned')
),

-- The rank is the number of orders on earlier days plus one, and cheaper than counting them.
compared_orders as (
    select
        *,
        rank() over by_day - 1 as orders_before,
        sum(amount) over earlier_days as amount_before,
        case
            when is_completed
                then {{ dbt.datediff('max(day) over earlier_days', 'day', 'day') | indent(20) }}  -- noqa: LT05
        end as gap_days
    from customer_orders
    window
        by_day as (
            partition by customer_key, is_completed
            order by {{ day_number() }}
        ),
        earlier_days as (
            partition by customer_key, is_completed
            order by {{ day_number() }}
            range between unbounded preceding and 1 preceding
        )
),

final as (
    select
        -- ids
        order_key,
        customer_key,
        campaign_id,

        -- dates
        day,
        ordered_at,
        placed_at,
        month,

        -- numbers
        hour,
        amount,
        gap_days,

        -- words
        channel,
        coupon,

        -- flags
        is_weekend,
        is_completed,
        coalesce(
            is_completed
            and orders_before >= {{ big_purchase.after_orders }}
            and amount * orders_before > {{ big_purchase.times }} * amount_before,
            false
        ) as is_big
    from compared_orders
)

select * from final
