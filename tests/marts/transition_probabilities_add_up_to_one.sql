{{ config(severity='error') }}

-- Of what follows a state in a segment, something does: rounding apart, the probabilities add up to 1.

with transitions as (
    select * from {{ ref('journey_transitions') }}
)

select
    segment_key,
    from_state
from transitions
group by segment_key, from_state
having abs(sum(probability) - 1) > 0.000001
