-- Var min_segment_share: an exclusive segment with fewer buyers is too small to act on. Empty segments are not judged, nor
-- are outliers: it is what they are not in that says something.

with kpis as (
    select * from {{ ref('segment_kpis') }}
    where scheme <> 'rule'
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_current
)

select
    kpis.segment_key || ' has ' || {{ counted('kpis.customers', 'member') }} || ', '
    || {{ percent_words('kpis.buyer_share') }} || ' of the buyers, expected more than '
    || {{ percent_words(number_var('min_segment_share', 0, 1)) }} as finding
from kpis
inner join periods on kpis.period = periods.as_of
where
    kpis.customers > 0
    and kpis.segment_key <> 'cluster:outlier'
    and kpis.buyer_share <= {{ var('min_segment_share') }}
