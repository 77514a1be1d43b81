{% macro metric_table_windows(table, windows, periods) -%}
{%- set windows = windows | selectattr('table', 'equalto', table) | list -%}
{%- if table == 'patterns' -%}
{{ pattern_windows(windows, periods) }}
{%- else -%}
{%- set declared = metrics() -%}
select
    periods.as_of,
    facts.customer_key
    {%- for window in windows %}
    {%- set metric = declared[window.metric] %}
    {%- set aggregate = metric_aggregate(metric, window) %}
    {#- The cast of a double would round otherwise on Spark, as in rounded(). -#}
    {%- if metric.unit == 'currency' and metric.aggregate in ['mean', 'decayed_sum', 'monthly_mean', 'monthly_trend'] %}
    {%- set aggregate = rounded(aggregate, 2) %}
    {%- endif %},
    {{ 'cast(' ~ aggregate ~ ' as decimal(18, 2))' if metric.unit == 'currency' else aggregate }} as {{ window.column }}
    {%- endfor %}
from {{ periods }} as periods
inner join {{ numbered_facts(table, windows) }} as facts on {{ counts_at_as_of(table) }}
group by periods.as_of, facts.customer_key
{%- endif -%}
{%- endmacro %}


{% macro counts_at_as_of(table) -%}
{%- set counting = metric_tables()[table].counts -%}
{%- if counting == 'by_attribution' -%}
periods.as_of > facts.attributed_from
and periods.as_of <= facts.attributed_until
{%- elif counting == 'by_period' -%}
periods.as_of = facts.as_of
{%- else -%}
periods.as_of > facts.day
{%- endif -%}
{%- if counting == 'by_fit' %}
and periods.models_fitted_as_of = facts.fitted_as_of
{%- endif -%}
{%- endmacro %}


{#-
    first and last count units (orders, contacts) among the rows that the metric reads. The number of a unit and the day of the nth
    after it, up to which it is among the last n, are the same at each as_of.
-#}
{% macro numbered_facts(table, windows) -%}
{%- set numbers, ends = {}, {} -%}
{%- for window in windows if window.kind in ['first', 'last'] -%}
    {%- set rows = rows_of_metric(metrics()[window.metric]) -%}
    {%- do numbers.update({unit_number(rows): rows}) -%}
    {%- do ends.update({unit_number(rows) ~ '_until_' ~ window.size: [rows, window.size]}) if window.kind == 'last' -%}
{%- endfor -%}
{%- if not numbers -%}
{{ ref(metric_model(table)) }}
{%- else -%}
(
    select
        *
        {%- for column, end in ends.items() %},
        min(day) over (
            partition by customer_key, case when {{ end[0] }} then 1 end
            order by {{ unit_number(end[0]) }}
            range between {{ end[1] }} following and {{ end[1] }} following
        ) as {{ column }}
        {%- endfor %}
    from (
        select
            *
            {%- for column, rows in numbers.items() %},
            dense_rank() over (
                partition by customer_key, case when {{ rows }} then 1 end
                order by {{ metric_tables()[table].instant or 'day' }}, {{ metric_tables()[table].unit }}
            ) as {{ column }}
            {%- endfor %}
        from {{ ref(metric_model(table)) }}
    ) as numbered
)
{%- endif -%}
{%- endmacro %}


{#- A share reads the rows of which its filter is false as well. -#}
{% macro rows_of_metric(metric) %}
    {{- return('true' if not metric.filter else '(' ~ metric.filter ~ ') is not null' if metric.aggregate == 'share' else metric.filter) -}}
{% endmacro %}


{% macro unit_number(rows) %}
    {{- return('unit_' ~ local_md5(rows)[:8]) -}}
{% endmacro %}


{% macro is_among_units(metric, window, as_of='as_of') %}
    {%- set number = unit_number(rows_of_metric(metric)) -%}
    {%- if window.kind == 'first' -%}
        {{- return(number ~ ' <= ' ~ window.size) -}}
    {%- endif -%}
    {%- set until = number ~ '_until_' ~ window.size -%}
    {{- return('(' ~ until ~ ' is null or ' ~ as_of ~ ' <= ' ~ until ~ ')') -}}
{% endmacro %}
