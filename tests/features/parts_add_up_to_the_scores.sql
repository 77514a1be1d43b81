-- Every score is the sum of the contributions of its parts, to the rounding of five parts, and lies from 0 to 1.
{{ config(severity='error') }}

with customers as (
    select customers.*
    from {{ ref('int_features__customers_measured') }} as customers
    inner join {{ ref('int_periods') }} as periods on customers.as_of = periods.as_of
    where periods.is_current
),

sums as (
    select
        {% for name in score_names() -%}
        sum(case when parts.score = '{{ name }}' then parts.contribution end) as {{ name }},
        {% endfor -%}
        parts.customer_key
    from {{ ref('int_features__score_parts') }} as parts
    inner join {{ ref('int_periods') }} as periods on parts.as_of = periods.as_of
    where periods.is_current
    group by parts.customer_key
)

{% for name in score_names() -%}
select 'the score {{ name }} of a customer is not the sum of its parts from 0 to 1' as finding
from customers
left join sums on customers.customer_key = sums.customer_key
where
    not coalesce(customers.{{ name }} between 0 and 1, true)
    or (customers.{{ name }} is null) <> (sums.{{ name }} is null)
    or abs(customers.{{ name }} - sums.{{ name }}) > 0.00001
{{ 'union all' if not loop.last }}
{% endfor %}
