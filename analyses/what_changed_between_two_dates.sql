-- What changed between two dates?
--
-- One row per segment, the largest change of size first: members at both dates, entries and exits in between, and the
-- change of the revenue share in percentage points. Entries and exits count moves, so a customer who left and came
-- back counts in both. Many moves with little change of size mean that many customers are close to the segment's
-- limit. The dates are the last two periods. For others set earlier and later to dates, such as "date '2017-10-01'";
-- `select distinct period from segment_kpis` lists them.

{% set later = '(select max(period) from kpis)' -%}
{% set earlier = '(select max(period) from kpis where period < ' ~ later ~ ')' -%}

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
    where changed_on > {{ earlier }} and changed_on <= {{ later }}
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
        kpis_earlier.period = {{ earlier }}
        and kpis_later.period = {{ later }}
)

select * from compared
order by abs(customers_later - customers_earlier) desc, segment_key asc
