-- Var max_segments: more than anyone will use.

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
