-- Var freshness_days: a table that stopped growing describes customers as they were.

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    'the newest row of the table ' || source_table || ' is ' || {{ counted('cast(value as integer)', 'day') }}
    || ' older than as_of, expected at most ' || {{ counted('cast(threshold as integer)', 'day') }} || ' (var freshness_days)' as finding
from coverage
where check_name = 'days_old' and verdict = 'warn'
