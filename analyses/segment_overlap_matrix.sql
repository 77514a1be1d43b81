-- Which segments share their members?
--
-- Each figure is the share of the row's members, from 0 to 1, who are in the column's segment too. A high figure in
-- both directions (row and column exchanged) says that two segments find the same people, so that one of them may be
-- enough. A high figure in one direction says that the row is a part of the column.

{% set segments = [
    'rfm:champions', 'value_tier:high', 'rule:recent_buyers', 'rule:big_spenders_90d', 'rule:highly_engaged'
] %}

with sizes as (
    select
        segment_key,
        count(*) as members
    from {{ ref('segment_memberships') }}
    group by segment_key
),

-- A segment shares all members with itself, which segment_overlaps leaves out.
pairs as (
    select
        segment_key,
        other_segment_key,
        share
    from {{ ref('segment_overlaps') }}
    union all
    select
        segment_key,
        segment_key as other_segment_key,
        1 as share
    from sizes
),

matrix as (
    select
        sizes.segment_key,
        {%- for segment in segments %}
        max(case when pairs.other_segment_key = '{{ segment }}' then round(pairs.share, 2) else 0 end)
            as {{ segment.replace(':', '_') }},
        {%- endfor %}
        sizes.members
    from sizes
    inner join pairs on sizes.segment_key = pairs.segment_key
    where
        sizes.segment_key in ('{{ segments | join("', '") }}')
    group by sizes.segment_key, sizes.members
)

select * from matrix
order by segment_key
