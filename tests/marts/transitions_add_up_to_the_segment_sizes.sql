-- The transitions into a segment, including those from outside, add up to its size.

{{ config(severity='error') }}

with arrivals as (
    select
        period,
        to_segment,
        sum(customers) as customers
    from {{ ref('segment_transitions') }}
    where to_segment <> 'outside'
    group by period, to_segment
)

select
    arrivals.to_segment || ' has ' || kpis.customers || ' members on ' || arrivals.period || ', but '
    || arrivals.customers || ' transitions into it' as finding
from arrivals
inner join {{ ref('segment_kpis') }} as kpis
    on
        arrivals.period = kpis.period
        and arrivals.to_segment = kpis.segment_key
where arrivals.customers <> kpis.customers
