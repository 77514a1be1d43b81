-- Amounts in different currencies cannot be added, and a var currency without matching orders would exclude all of them.
{{ config(severity='error') }}

with orders as (
    select * from {{ ref('stg_orders') }}
),

counts as (
    select
        sum(case when check_name = 'loaded' then value end) as loaded,
        sum(case when check_name = 'other_currency' then value end) as other_currency
    from {{ ref('int_staging__counts') }}
    where source_table = 'orders'
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
    || ', expected one currency: set var currency to the reporting currency' as finding
from currencies
where currencies > 1
union all
select
    'none of the ' || other_currency || ' readable orders is in the currency of var currency, expected '
    || 'at least one' as finding
from counts
where loaded = 0 and other_currency > 0
