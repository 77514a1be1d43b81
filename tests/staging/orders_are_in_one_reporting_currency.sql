-- Amounts in different currencies can't be added.
{{ config(severity='error') }}

with orders as (
    select * from {{ ref('stg_orders') }}
),

currencies as (
    select
        currency,
        count(*) as orders,
        count(*) over () as currencies
    from orders
    where currency is not null
    group by currency
)

select
    {{ counted('orders', 'order') }} || ' of the table orders are in ' || currency
    || ', expected one currency: set the var currency to the one to report in' as finding
from currencies
where currencies > 1
