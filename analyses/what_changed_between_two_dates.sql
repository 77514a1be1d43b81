-- What changed between two dates?
--
-- One row per segment, the largest change of size first: members at both dates, entries and exits in between, and the
-- change of the revenue share in percentage points. Entries and exits count moves, so a customer who left and came
-- back counts in both. Many moves with little change of size mean that many customers are close to the segment's
-- limit. The dates are periods of the history; `select distinct period from segment_kpis` lists them.

{% set earlier, later = '2017-10-01', '2018-01-01' %}

with kpis as (
    select *
    from {{ ref('segment_kpis') }}
    where scheme in ('rfm', 'rule')
),

changes as (
    select
        segment_key,
        count(case when change = 'entered' then 1 end) as entered,
        count(case when change = 'exited' then 1 end) as exited
    from {{ ref('segment_changes') }}
    where changed_on > cast('{{ earlier }}' as date) and changed_on <= cast('{{ later }}' as date)
    group by segment_key
),

compared as (
    select
        kpis_later.segment_key,
        kpis_earlier.customers as customers_earlier,
        coalesce(changes.entered, 0) as entered,
        coalesce(changes.exited, 0) as exited,
        kpis_later.customers as customers_later,
        cast(100 * (kpis_later.revenue_share - kpis_earlier.revenue_share) as decimal(4, 1)) as revenue_share_points
    from kpis as kpis_earlier
    inner join kpis as kpis_later on kpis_earlier.segment_key = kpis_later.segment_key
    left join changes on kpis_later.segment_key = changes.segment_key
    where
        kpis_earlier.period = cast('{{ earlier }}' as date)
        and kpis_later.period = cast('{{ later }}' as date)
)

select * from compared
order by abs(customers_later - customers_earlier) desc, segment_key asc
