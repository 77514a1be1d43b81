-- Every score is the sum of the contributions of its parts, up to the rounding of five parts, and lies between 0 and 1.

{{ config(severity='error') }}

with scores as (
    {% for name in score_names() -%}
    select
        customer_id,
        '{{ name }}' as score,
        {{ name }} as value
    from {{ ref('customer_features') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

sums as (
    select
        customer_id,
        score,
        sum(contribution) as value
    from {{ ref('score_parts') }}
    group by customer_id, score
)

select 'the score ' || scores.score || ' of a customer is not the sum of its parts from 0 to 1' as finding
from scores
left join sums
    on
        scores.customer_id = sums.customer_id
        and scores.score = sums.score
where
    not coalesce(scores.value between 0 and 1, true)
    or (scores.value is null) <> (sums.value is null)
    or abs(scores.value - sums.value) > 0.00001
