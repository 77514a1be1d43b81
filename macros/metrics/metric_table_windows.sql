{#-
    The query of one metric table: one row per as_of and customer with rows before as_of, and one column per
    (metric, window) pair over that table. Each pair is computed once. Without `windows` it has the pairs that a rule,
    a scheme or a feature asks for; without `periods`, a relation with as_of, the dates of int_periods that are built.
    `fitted`: the column of periods with the date whose rows count, for a table that has its rows once for each such date.
-#}
{% macro metric_table_windows(table, windows=none, periods=none, fitted=none) %}
{%- set declared = metrics() -%}
with facts as (
    select * from {{ ref('int_features__' ~ table) }}
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
        {%- for window in (metric_windows() if windows is none else windows) if declared[window.metric].table == table %}
        {%- set metric = declared[window.metric] %}
        {%- set aggregate = metric_aggregate(metric, window) %},
        {{ 'cast(' ~ aggregate ~ ' as decimal(18, 2))' if metric.unit == 'currency' else aggregate }} as {{ window.column }}
        {%- endfor %}
    from periods
    inner join facts
        on
            facts.day < periods.as_of
            {%- if fitted %}
            and facts.fitted_as_of is not distinct from periods.{{ fitted }}
            {%- endif %}
    group by periods.as_of, facts.customer_key
)

select * from windows
{% endmacro %}
