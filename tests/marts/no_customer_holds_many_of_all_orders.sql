-- A word for no customer, or a collective account, makes one customer of many people. With few customers one of them may well
-- have many of the orders, so the mean counts too.

with buyers as (
    select frequency
    from {{ ref('customer_features') }}
    where is_buyer
),

totals as (
    select
        cast(sum(frequency) as double) as orders,
        avg(frequency) as mean_orders
    from buyers
),

holders as (
    select
        buyers.frequency / totals.orders as order_share,
        buyers.frequency / totals.mean_orders as times_the_mean
    from buyers
    cross join totals
    where
        totals.orders >= 1000
        and buyers.frequency > .01 * totals.orders
        and buyers.frequency >= 20 * totals.mean_orders
)

select
    'one customer holds ' || {{ percent_words('order_share') }} || ' of all orders, '
    || cast(cast(round(times_the_mean) as integer) as {{ dbt.type_string() }}) || ' times the mean: if its '
    || 'customer_ref stands for guests or a collective account, list it in var empty_references '
    || '(make check-input names such words)'
        as finding
from holders
