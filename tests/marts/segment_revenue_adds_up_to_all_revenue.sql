-- In every scheme that all are in and every period the segments' revenue is the eligible customers' revenue, to the cent.
{{ config(severity='error') }}

with kpis as (
    select * from {{ ref('segment_kpis') }}
    where scheme not in ('{{ (['rule'] + partial_schemes()) | join("', '") }}')  -- noqa: LT05
),

customers as (
    select
        as_of,
        count(*) as customers,
        sum(monetary) as revenue
    from {{ ref('customer_history') }}
    group by as_of
),

schemes as (
    select
        period,
        scheme,
        sum(customers) as customers,
        sum(revenue) as revenue
    from kpis
    group by period, scheme
)

select schemes.*
from schemes
left join customers on schemes.period = customers.as_of
where
    schemes.customers <> coalesce(customers.customers, 0)
    or schemes.revenue <> coalesce(customers.revenue, 0)
