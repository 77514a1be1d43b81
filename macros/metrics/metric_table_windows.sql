{#-
    The query of one metric table: one row per as_of and customer with rows before as_of, and one column per
    (metric, window) pair over that table that a rule, a scheme or a feature asks for. Each pair is computed once.
-#}
{% macro metric_table_windows(table) %}
{%- set declared = metrics() -%}
{%- set windows = metric_windows() | selectattr('metric', 'in', declared.values() | selectattr('table', 'equalto', table) | map(attribute='key') | list) | list -%}
with facts as (
    select * from {{ ref('int_features__' ~ table) }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

windows as (
    select
        periods.as_of,
        facts.customer_key
        {%- for window in windows %}
        {%- set metric = declared[window.metric] %}
        {%- set aggregate = metric_aggregate(metric, window) %},
        {{ 'cast(' ~ aggregate ~ ' as decimal(18, 2))' if metric.unit == 'currency' else aggregate }} as {{ window.column }}
        {%- endfor %}
    from periods
    {%- if metric_tables()[table] %}
    inner join facts on periods.as_of > facts.known_on and periods.as_of <= facts.doubted_on
    {%- else %}
    inner join facts on facts.day < periods.as_of
    {%- endif %}
    {%- if not windows %}
    -- nobody asks for a metric of this table
    where false
    {%- endif %}
    group by periods.as_of, facts.customer_key
)

select * from windows
{% endmacro %}
