-- In every complete scheme and period, segment revenue adds up to the revenue of the eligible customers, to the cent.
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
