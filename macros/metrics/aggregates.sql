{#-
    One aggregate per (metric, window). The rows are joined to periods with day < as_of, so only the other limits
    of the window are written here. Case expressions and no FILTER: the same text runs on every engine.
-#}
{% macro metric_aggregate(metric, window, day='day', as_of='as_of') %}
    {%- set limits = [] -%}
    {%- if metric.filter -%}
        {%- do limits.append('(' ~ metric.filter ~ ')') -%}
    {%- endif -%}
    {%- if window.from_days_ago is not none -%}
        {%- do limits.append(day ~ ' >= ' ~ days_before(as_of, window.from_days_ago)) -%}
    {%- endif -%}
    {%- if window.to_days_ago > 0 -%}
        {%- do limits.append(day ~ ' < ' ~ days_before(as_of, window.to_days_ago)) -%}
    {%- endif -%}
    {#- The day is never null, so counting it also gives 0 for the empty row of an outer join. -#}
    {%- set counted = metric.value or ('1' if limits and metric.aggregate == 'count' else day) -%}
    {%- set value = 'case when ' ~ limits | join(' and ') ~ ' then ' ~ counted ~ ' end' if limits else counted -%}
    {%- if metric.aggregate == 'mean' -%}
        {{- return('avg(' ~ value ~ ')') -}}
    {%- elif metric.aggregate in ['count_distinct', 'count_days'] -%}
        {{- return('count(distinct ' ~ value ~ ')') -}}
    {%- elif metric.aggregate == 'days_since_first' -%}
        {{- return(days_between('min(' ~ value ~ ')', as_of)) -}}
    {%- elif metric.aggregate == 'days_since_last' -%}
        {{- return(days_between('max(' ~ value ~ ')', as_of)) -}}
    {%- endif -%}
    {{- return(metric.aggregate ~ '(' ~ value ~ ')') -}}
{% endmacro %}


{#- What a customer without rows has; applied after the outer join to all customers. -#}
{% macro metric_absent(metric, column_sql) %}
    {{- return('coalesce(' ~ column_sql ~ ', 0)' if metric.absent == 0 else column_sql) -}}
{% endmacro %}
