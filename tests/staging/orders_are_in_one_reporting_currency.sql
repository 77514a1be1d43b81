-- Amounts in different currencies can't be added. And a var currency that no order has would leave nothing.
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
    || ', expected one currency: set the var currency to the one to report in' as finding
from currencies
where currencies > 1
union all
select
    'all ' || other_currency || ' readable orders are in another currency than the var currency says, expected '
    || 'at least one in it' as finding
from counts
where loaded = 0 and other_currency > 0
