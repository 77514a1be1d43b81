-- One row per day: a hash that changes when anything known about that day does. Customers count on the day they are known
-- from; events on attributed_from and again on attributed_until. Sessions are derived from events and lines, tickets from
-- touchpoints and terms, lifetime values from orders, so they need no hash of their own.
--
-- The sum over the days before an as_of decides whether the period has to be rebuilt. A sum does not depend on the order in
-- which rows arrived.
--
-- What var retention may change has a sum of its own. Events that expire also change since when customers are known.

{% set attributes = rule_attributes() + ['customer_key', 'signed_up_on'] -%}
{% set consents = ['customer_key', 'purpose', 'granted', 'stated_on'] -%}
{% set days = [['customers', attributes, 'day', ''], ['consents', consents, 'stated_on', '']] -%}

with customers as (
    select
        {%- for attribute in attributes %}
        {{ attribute }},
        {%- endfor %}
        coalesce(known_from, date '0001-01-01') as day
    from {{ ref('int_identity__customers_resolved') }}
    where not is_excluded
),

consents as (
    select consents.*
    from {{ ref('int_identity__consents') }} as consents
    inner join customers on consents.customer_key = customers.customer_key
),

{% for table, rows in metric_tables().items() if table not in ['sessions', 'tickets', 'lifetime_values'] -%}
{#- Topics are derived from the terms or the texts, and fitted at dates of int_periods. -#}
{% set words = 'ticket_texts' if topics_are_embedded() else 'ticket_terms' -%}
{% set model = 'int_facts__' ~ (words if rows.counts == 'by_fit' else table) -%}
{% set node = graph.nodes.get('model.customer_segmentation.' ~ model) if execute -%}
{% set facts = node.columns | reject('in', ['attributed_from', 'attributed_until']) | sort if node else ['1'] -%}
{% do days.append([table, facts, 'attributed_from' if rows.counts == 'by_attribution' else 'day', '']) -%}
{% if rows.counts == 'by_attribution' -%}
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
        {{ 'false' if table in ['orders', 'lines', 'consents'] else 'true' }} as may_expire,
        sum({{ sign }}cast({{ quick_hash(columns) }} as decimal(38, 0))) as hashed
    from {{ table }}
    group by {{ day }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    day,
    sum(case when may_expire then 0 else hashed end) as hashed,
    sum(case when may_expire then hashed else 0 end) as expiring_hashed
from hashed_days
group by day
