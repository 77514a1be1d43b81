-- In every exclusive scheme, projections add up to the customers of the period plus as many new ones as arrived last time,
-- to a thousandth of a customer.

{{ config(severity='error') }}

with projections as (
    select
        period,
        scheme,
        sum(projected_customers) as projected_customers
    from {{ ref('segment_projections') }}
    group by period, scheme
),

moves as (
    select
        period,
        scheme,
        sum(
            case when to_segment <> 'outside' then customers else 0 end
            + case when from_segment = 'outside' then customers else 0 end
        ) as customers
    from {{ ref('segment_transitions') }}
    group by period, scheme
)

select
    moves.scheme || ' on ' || moves.period || ' has ' || moves.customers || ' customers, but '
    || coalesce(projections.projected_customers, 0) || ' are projected' as finding
from moves
left join projections
    on
        moves.period = projections.period
        and moves.scheme = projections.scheme
where abs(moves.customers - coalesce(projections.projected_customers, 0)) > 0.001
