-- Var max_segments: more segments than that will not be used.

with segments as (
    select * from {{ ref('segments') }}
),

counted as (
    select count(*) as segments
    from segments
)

select 'there are ' || segments || ' segments, expected at most {{ var("max_segments") }}' as finding
from counted
where segments > {{ var('max_segments') }}
