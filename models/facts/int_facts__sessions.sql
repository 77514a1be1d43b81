-- One row per customer, session and local date. A session that runs past midnight counts on both dates, so that its figures
-- at an as_of do not change when it continues.
--
-- A session has a cart if more products were added to it than removed. It is bought by a purchase in the session, on the
-- same day or past midnight on the next, or by an order of the customer up to var cart_grace_hours after it. A cart that is
-- bought on a later date is two rows, left up to that date and bought from then on, so that no figure of an earlier as_of
-- changes. Its value: for each product, the mean amount of its order lines in all earlier months.

{% set grace_hours = setting('cart_grace_hours') -%}

with events as (
    select * from {{ ref('int_facts__events') }}
),

lines as (
    select * from {{ ref('int_facts__lines') }}
),

orders as (
    select * from {{ ref('int_facts__orders') }}
),

cart_events as (
    select
        customer_key,
        source_system,
        session_id,
        day,
        attributed_from,
        attributed_until,
        occurred_at,
        product_id,
        cast({{ dbt.date_trunc('month', 'day') }} as date) as month,
        case when role = 'cart' then 1 else -1 end as products
    from events
    where role in ('cart', 'remove')
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
        min(case when cart_events.products = 1 then cart_events.occurred_at end) as filled_at,
        max(cart_events.occurred_at) as touched_at,
        cast(sum(cart_events.products * prices.price) as decimal(18, 2)) as cart_value
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
    having sum(cart_events.products) > 0
),

-- An order that has a date alone is at midnight, before any cart of that date.
purchases as (
    select
        carts.customer_key,
        carts.source_system,
        carts.session_id,
        carts.day,
        events.attributed_from as known_on
    from carts
    inner join events
        on
            carts.customer_key = events.customer_key
            and carts.source_system = events.source_system
            and carts.session_id = events.session_id
            and {{ dbt.datediff('carts.day', 'events.day', 'day') }} in (0, 1)  -- noqa: LT05
    where events.role = 'buy'
    union all
    select
        carts.customer_key,
        carts.source_system,
        carts.session_id,
        carts.day,
        orders.day as known_on
    from carts
    inner join orders
        on
            carts.customer_key = orders.customer_key
            and {{ seconds_between('carts.touched_at', 'orders.ordered_at') }} <= 3600 * {{ grace_hours }}
            and (
                carts.filled_at <= orders.ordered_at
                or (
                    carts.day = orders.day
                    and {{ local_date(dbt.dateadd('second', -1, 'orders.ordered_at')) }} < orders.day
                )
            )
    where orders.is_completed
),

bought as (
    select
        customer_key,
        source_system,
        session_id,
        day,
        min(known_on) as bought_on
    from purchases
    group by customer_key, source_system, session_id, day
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
        min_by(device, position) filter (where device is not null) as device,
        min_by(country, position) filter (where country is not null) as country,
        min_by(referrer, position) filter (where referrer is not null) as referrer
    from events
    group by customer_key, source_system, session_id, day, attributed_from, attributed_until
),

visits_with_carts as (
    select
        visits.*,
        carts.cart_value,
        carts.session_id is not null as has_cart,
        bought.bought_on
    from visits
    left join carts
        on
            visits.customer_key = carts.customer_key
            and visits.source_system = carts.source_system
            and visits.session_id = carts.session_id
            and visits.day = carts.day
            and visits.attributed_from = carts.attributed_from
            and visits.attributed_until = carts.attributed_until
    left join bought
        on
            carts.customer_key = bought.customer_key
            and carts.source_system = bought.source_system
            and carts.session_id = bought.session_id
            and carts.day = bought.day
),

states as (
    select
        *,
        attributed_from as known_from,
        least(attributed_until, coalesce(bought_on, attributed_until)) as known_until,
        case when has_cart then true end as is_cart_left
    from visits_with_carts
    where bought_on is null or bought_on > attributed_from
    union all
    select
        *,
        greatest(attributed_from, bought_on) as known_from,
        attributed_until as known_until,
        false as is_cart_left
    from visits_with_carts
    where bought_on < attributed_until
),

sessions as (
    select
        -- ids
        customer_key,
        source_system,
        session_id,

        -- dates
        day,
        known_from as attributed_from,
        known_until as attributed_until,

        -- numbers
        hour,
        events,
        minutes,
        cart_value,

        -- words
        device,
        country,
        coalesce(referrer, 'direct') as referrer,

        -- flags
        {{ is_weekend('day') }} as is_weekend,
        is_cart_left
    from states
)

select * from sessions
