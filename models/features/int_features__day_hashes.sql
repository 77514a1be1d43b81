-- One row per day: a number that is the same as long as everything known of that day is. For customers, the day is that from
-- which they are known.
--
-- The numbers of the days before an as_of add up to one that tells whether the period has to be built again. They add up
-- in any order, so it doesn't matter when a row arrived.

{% set hashed = 'cast(' ~ row_hash('facts') ~ ' as decimal(38, 0))' -%}

with
{%- for table in metric_tables() %}
{{ table }} as (
    select
        facts.day,
        sum({{ hashed }}) as hashed
    from {{ ref('int_features__' ~ table) }} as facts
    group by facts.day
),
{% endfor %}
customers as (
    select
        coalesce(facts.known_from, date '0001-01-01') as day,
        sum({{ hashed }}) as hashed
    from (
        select
            {%- for attribute in rule_attributes() %}
            {{ attribute }},
            {%- endfor %}
            customer_key,
            known_from
        from {{ ref('int_identity__customers') }}
        where not is_excluded
    ) as facts
    group by coalesce(facts.known_from, date '0001-01-01')
),

days as (
    {% for table in metric_tables() + ['customers'] -%}
    select
        day,
        hashed
    from {{ table }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    day,
    sum(hashed) as hashed
from days
group by day
