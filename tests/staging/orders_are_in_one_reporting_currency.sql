-- Amounts in different currencies can't be added. Set the var currency, or convert before loading.
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

select *
from currencies
where currencies > 1
