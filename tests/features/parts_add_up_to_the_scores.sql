-- Every score is the sum of the contributions of its parts, to the rounding of five parts, and lies from 0 to 1.
{{ config(severity='error') }}

with customers as (
    select customers.*
    from {{ ref('int_features__customers') }} as customers
    inner join {{ ref('int_periods') }} as periods on customers.as_of = periods.as_of
    where periods.is_current
),

scores as (
    {% for name in score_names() -%}
    select
        as_of,
        customer_key,
        '{{ name }}' as score,
        {{ name }} as value
    from customers
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

sums as (
    select
        parts.as_of,
        parts.customer_key,
        parts.score,
        sum(parts.contribution) as value
    from {{ ref('int_features__score_parts') }} as parts
    inner join {{ ref('int_periods') }} as periods on parts.as_of = periods.as_of
    where periods.is_current
    group by parts.as_of, parts.customer_key, parts.score
)

select 'the score ' || scores.score || ' of a customer is not the sum of its parts from 0 to 1' as finding
from scores
left join sums
    on
        scores.as_of = sums.as_of
        and scores.customer_key = sums.customer_key
        and scores.score = sums.score
where
    not coalesce(scores.value between 0 and 1, true)
    or (scores.value is null) <> (sums.value is null)
    or abs(scores.value - sums.value) > 0.00001
