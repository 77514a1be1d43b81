-- In every exclusive scheme and period the segments' revenue is the eligible customers' revenue, to the cent.
{{ config(severity='error') }}

with kpis as (
    select * from {{ ref('segment_kpis') }}
    where scheme <> 'rule'
),

customers as (
    select
        as_of,
        count(*) as customers,
        sum(revenue__all) as revenue
    from {{ ref('int_segmentation__customers') }}
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
