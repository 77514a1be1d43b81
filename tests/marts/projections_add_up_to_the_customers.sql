-- In every exclusive scheme, projections add up to the customers of the period plus as many new ones as arrived last time,
-- to a thousandth of a customer. Only whole periods are projected.

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
        transitions.period,
        transitions.scheme,
        sum(
            case when transitions.to_segment <> 'outside' then transitions.customers else 0 end
            + case when transitions.from_segment = 'outside' then transitions.customers else 0 end
        ) as customers
    from {{ ref('segment_transitions') }} as transitions
    inner join {{ ref('int_periods') }} as periods on transitions.period = periods.as_of
    where periods.compared_days is not null
    group by transitions.period, transitions.scheme
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
