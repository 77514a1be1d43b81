-- One row per customer, session and local date. A session that runs past midnight counts on both dates, so that its figures
-- at an as_of do not change when it continues.
--
-- A session has a cart if more products were added to it than removed. The cart is abandoned if the session has no purchase.
-- Its value: for each product, the mean amount of its order lines in all earlier months.

{% set cart = setting('cart_event_types') -%}
{% set added = sql_literal(cart.added | trim | lower) -%}
{% set removed = sql_literal(cart.removed | trim | lower) -%}
{% set bought = sql_literal(cart.bought | trim | lower) -%}

with events as (
    select * from {{ ref('int_facts__events') }}
),

lines as (
    select * from {{ ref('int_facts__lines') }}
),

cart_events as (
    select
        customer_key,
        source_system,
        session_id,
        day,
        attributed_from,
        attributed_until,
        product_id,
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        case when event_type = {{ added }} then 1 else -1 end as products
    from events
    where event_type in ({{ added }}, {{ removed }})
),

products_in_carts as (
    select distinct
        product_id,
        month
    from cart_events
    where product_id is not null
),

months_of_products as (
    select
        product_id,
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        sum(amount) as amount,
        count(amount) as lines
    from lines
    where is_completed
    group by product_id, cast({{ dbt.date_trunc('month', 'day') }} as date)
),

prices as (
    select
        products_in_carts.product_id,
        products_in_carts.month,
        {{ money_mean('sum(earlier.amount)', 'sum(earlier.lines)') }} as price
    from products_in_carts
    inner join months_of_products as earlier
        on
            products_in_carts.product_id = earlier.product_id
            and products_in_carts.month > earlier.month
    group by products_in_carts.product_id, products_in_carts.month
),

carts as (
    select
        cart_events.customer_key,
        cart_events.source_system,
        cart_events.session_id,
        cart_events.day,
        cart_events.attributed_from,
        cart_events.attributed_until,
        sum(cart_events.products) as cart_products,
        sum(cart_events.products * prices.price) as cart_value
    from cart_events
    left join prices
        on
            cart_events.product_id = prices.product_id
            and cart_events.month = prices.month
    group by
        cart_events.customer_key,
        cart_events.source_system,
        cart_events.session_id,
        cart_events.day,
        cart_events.attributed_from,
        cart_events.attributed_until
),

visits as (
    select
        customer_key,
        source_system,
        session_id,
        day,
        attributed_from,
        attributed_until,
        min(hour) as hour,
        count(*) as events,
        cast({{ seconds_between('min(occurred_at)', 'max(occurred_at)') }} / 60.0 as decimal(18, 2)) as minutes,
        max(device) as device,
        max(country) as country,
        coalesce(max(referrer), 'direct') as referrer,
        max(case when event_type = {{ bought }} then 1 else 0 end) = 1 as is_bought
    from events
    group by customer_key, source_system, session_id, day, attributed_from, attributed_until
),

sessions as (
    select
        -- ids
        visits.customer_key,
        visits.source_system,
        visits.session_id,

        -- dates
        visits.day,
        visits.attributed_from,
        visits.attributed_until,

        -- numbers
        visits.hour,
        visits.events,
        visits.minutes,
        case when carts.cart_products > 0 then cast(carts.cart_value as decimal(18, 2)) end as cart_value,

        -- words
        visits.device,
        visits.country,
        visits.referrer,

        -- flags
        {{ is_weekend('visits.day') }} as is_weekend,
        case when carts.cart_products > 0 then not visits.is_bought end as is_cart_left
    from visits
    left join carts
        on
            visits.customer_key = carts.customer_key
            and visits.source_system = carts.source_system
            and visits.session_id = carts.session_id
            and visits.day = carts.day
            and visits.attributed_from = carts.attributed_from
            and visits.attributed_until = carts.attributed_until
)

select * from sessions
