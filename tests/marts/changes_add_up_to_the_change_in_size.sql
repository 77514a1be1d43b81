-- For each exclusive scheme and period: previous members plus entered less exited equals current members.

{{ config(severity='error') }}

with kpis as (
    select
        period,
        scheme,
        segment_key,
        customers
    from {{ ref('segment_kpis') }}
    where scheme <> 'rule'
),

periods as (
    select
        as_of,
        lag(as_of) over (order by as_of) as previous_as_of
    from {{ ref('int_periods') }}
),

moves as (
    select
        changed_on,
        segment_key,
        sum(case when change = 'entered' then 1 else -1 end) as net
    from {{ ref('segment_changes') }}
    group by changed_on, segment_key
)

select
    kpis.segment_key || ' has ' || kpis.customers || ' members on ' || kpis.period || ', but '
    || coalesce(earlier.customers, 0) || ' before and a net change of ' || coalesce(moves.net, 0) as finding
from kpis
inner join periods on kpis.period = periods.as_of
left join kpis as earlier
    on
        periods.previous_as_of = earlier.period
        and kpis.segment_key = earlier.segment_key
left join moves
    on
        kpis.period = moves.changed_on
        and kpis.segment_key = moves.segment_key
where kpis.customers <> coalesce(earlier.customers, 0) + coalesce(moves.net, 0)
