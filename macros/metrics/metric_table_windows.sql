{#-
    The query of one metric table: one row per as_of and customer with rows that count then, and one column per
    (metric, window) pair over that table. Each pair is computed once. Without `windows` it has the pairs that a rule,
    a scheme or a feature asks for; without `periods`, a relation with as_of, the dates of int_periods that are built.
-#}
{% macro metric_table_windows(table, windows=none, periods=none) %}
{%- set declared = metrics() -%}
{%- set names = declared.values() | selectattr('table', 'equalto', table) | map(attribute='key') | list -%}
{%- set wanted = (metric_windows() if windows is none else windows) | selectattr('metric', 'in', names) | list -%}
{%- set counting = metric_tables()[table] -%}
{#- Tickets have topics, which are fitted at dates of int_periods. -#}
{%- set layer = 'int_features__' if counting == 'by_fit' else 'int_facts__' -%}
with facts as (
    select * from {{ ref(layer ~ table) }}
),

periods as (
    {% if periods is none -%}
    select *
    from {{ ref('int_periods') }}
    where is_built
    {%- else -%}
    select * from {{ periods }}
    {%- endif %}
),

windows as (
    select
        periods.as_of,
        facts.customer_key
        {%- for window in wanted %}
        {%- set metric = declared[window.metric] %}
        {%- set aggregate = metric_aggregate(metric, window) %},
        {{ 'cast(' ~ aggregate ~ ' as decimal(18, 2))' if metric.unit == 'currency' else aggregate }} as {{ window.column }}
        {%- endfor %}
    from periods
    {%- if counting == 'by_attribution' %}
    inner join facts on periods.as_of > facts.attributed_from and periods.as_of <= facts.attributed_until
    {%- elif counting == 'by_fit' %}
    inner join facts
        on
            facts.day < periods.as_of
            and facts.fitted_as_of is not distinct from periods.models_fitted_as_of
    {%- else %}
    inner join facts on facts.day < periods.as_of
    {%- endif %}
    {%- if not wanted %}
    -- nobody asks for a metric of this table
    where false
    {%- endif %}
    group by periods.as_of, facts.customer_key
)

select * from windows
{% endmacro %}
