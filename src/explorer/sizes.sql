-- Sizes of segments at the newest 36 periods: those withheld here are withheld on all pages.
-- In an exclusive scheme they add up to the customers, whom another scheme shows.

-- table: sizes
select
    segment_kpis.period,
    segment_kpis.scheme,
    segment_kpis.segment_key,
    case when segments.is_exclusive then concat(segment_kpis.period, segment_kpis.scheme) end as total_1,
    segment_kpis.customers
from segment_kpis
left join segments using (segment_key)
where segment_kpis.period in (select distinct period from segment_kpis order by period desc limit 36)
order by all
