-- How do the members of two segments differ?
--
-- One row per feature, the features that differ most first. The indices are 100 times the mean of the members over the
-- mean of all eligible customers: 100 is average, 200 is twice the average. `ratio` is the first segment's mean over
-- the second's. It is empty where either mean is 0, which comes first if the other is not, or negative.

{% set first, second = 'rfm:champions', 'rfm:at_risk' %}

with profiles as (
    select * from {{ ref('segment_profiles') }}
),

compared as (
    select
        first_segment.feature,
        round(first_segment.mean, 2) as {{ first.split(':')[1] }}_mean,
        round(second_segment.mean, 2) as {{ second.split(':')[1] }}_mean,
        cast(round(first_segment.index) as integer) as {{ first.split(':')[1] }}_index,
        cast(round(second_segment.index) as integer) as {{ second.split(':')[1] }}_index,
        case
            when first_segment.mean > 0 and second_segment.mean > 0
                then round(first_segment.mean / second_segment.mean, 2)
        end as ratio,
        first_segment.mean <> second_segment.mean
        and (first_segment.mean = 0 or second_segment.mean = 0) as is_0_in_one
    from profiles as first_segment
    inner join profiles as second_segment on first_segment.feature = second_segment.feature
    where
        first_segment.segment_key = '{{ first }}'
        and second_segment.segment_key = '{{ second }}'
)

select
    feature,
    {{ first.split(':')[1] }}_mean,
    {{ second.split(':')[1] }}_mean,
    {{ first.split(':')[1] }}_index,
    {{ second.split(':')[1] }}_index,
    ratio
from compared
order by coalesce(is_0_in_one, false) desc, abs(ln(ratio)) desc nulls last, feature asc
