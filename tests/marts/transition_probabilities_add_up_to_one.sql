{{ config(severity='error') }}

-- In each segment, the probabilities of all transitions out of a state add up to 1, except for rounding.

with transitions as (
    select * from {{ ref('journey_transitions') }}
)

select
    segment_key,
    from_state
from transitions
group by segment_key, from_state
having abs(sum(probability) - 1) > 0.000001
