-- One row per day: a number that changes when anything known of that day does. For customers, the day is that from which they
-- are known; for events, that of attributed_from, and once more that of attributed_until. Sessions follow from events and
-- lines, so they have no hash of their own.
--
-- The numbers of the days before an as_of add up to one that tells whether the period has to be built again. They add up
-- in any order, so it doesn't matter when a row arrived.

{% set attributes = rule_attributes() + ['customer_key'] -%}
{% set days = [['customers', attributes, 'day', '']] -%}

with customers as (
    select
        {%- for attribute in attributes %}
        {{ attribute }},
        {%- endfor %}
        coalesce(known_from, date '0001-01-01') as day
    from {{ ref('int_identity__customers_resolved') }}
    where not is_excluded
),

{% for table, counting in metric_tables().items() if table != 'sessions' -%}
{#- Topics follow from the terms, and are fitted at dates of int_periods. -#}
{% set model = 'int_facts__' ~ ('ticket_terms' if counting == 'by_fit' else table) -%}
{% set node = graph.nodes.get('model.customer_segmentation.' ~ model) if execute -%}
{% set facts = node.columns | reject('in', ['attributed_from', 'attributed_until']) | sort if node else ['1'] -%}
{% do days.append([table, facts, 'attributed_from' if counting == 'by_attribution' else 'day', '']) -%}
{% if counting == 'by_attribution' -%}
{% do days.append([table, facts, 'attributed_until', '-']) -%}
{% endif -%}
{{ table }} as (
    select * from {{ ref(model) }}
),

{% endfor -%}

hashed_days as (
    {% for table, columns, day, sign in days -%}
    select
        {{ day }} as day,
        sum({{ sign }}cast({{ quick_hash(columns) }} as decimal(38, 0))) as hashed
    from {{ table }}
    group by {{ day }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    day,
    sum(hashed) as hashed
from hashed_days
group by day
