{#- Case expressions and no FILTER: the same text runs on every engine. -#}
{% macro metric_aggregate(metric, window, day='day', as_of='as_of') %}
    {%- set limits = (window.where or []) | map(attribute='test') | list -%}
    {%- if window.kind == 'hours' -%}
        {%- do limits.append('24 * ' ~ dbt.datediff(day, as_of, 'day') ~ ' - hour <= ' ~ window.size) -%}
    {%- elif window.kind == 'calendar' -%}
        {%- set unit = "cast(" ~ dbt.date_trunc(window.unit, days_before(as_of, 1)) ~ ' as date)' -%}
        {%- set unit_before = "cast(" ~ dbt.date_trunc(window.unit, days_before(unit, 1)) ~ ' as date)' -%}
        {%- do limits.append(day ~ ' >= ' ~ unit if window.size == 'this' else day ~ ' >= ' ~ unit_before ~ ' and ' ~ day ~ ' < ' ~ unit) -%}
    {%- elif window.kind in ['first', 'last'] -%}
        {%- do limits.append(is_among_units(metric, window, as_of)) -%}
    {%- endif -%}
    {%- do limits.extend(day_limits(window, day, as_of)) -%}
    {#- Rows for which the filter is null, as for an unknown device, don't count. -#}
    {%- if metric.aggregate == 'share' -%}
        {%- set is_in, is_out = limits + ['(' ~ metric.filter ~ ')'], limits + ['not (' ~ metric.filter ~ ')'] -%}
        {{- return('avg(case when ' ~ is_in | join(' and ') ~ ' then 1 when ' ~ is_out | join(' and ') ~ ' then 0 end)') -}}
    {%- endif -%}
    {%- if metric.filter -%}
        {%- do limits.insert(0, '(' ~ metric.filter ~ ')') -%}
    {%- endif -%}
    {#- The day is never null, so counting it gives 0 for the empty row of an outer join. -#}
    {%- set counted = metric.value or ('1' if limits and metric.aggregate == 'count' else day) -%}
    {%- set value = 'case when ' ~ limits | join(' and ') ~ ' then ' ~ counted ~ ' end' if limits else counted -%}
    {#- 0 on the last day of the window. -#}
    {%- set age = '(' ~ dbt.datediff(day, as_of, 'day') ~ ' - ' ~ (window.to_days_ago + 1) ~ ')' -%}
    {%- if metric.aggregate == 'decayed_sum' -%}
        {{- return(rounded('sum(' ~ value ~ ' * power(0.5, ' ~ age ~ ' / ' ~ setting('half_life_days') ~ '))')) -}}
    {%- elif metric.aggregate in ['monthly_mean', 'monthly_trend'] -%}
        {%- set days = window.from_days_ago - window.to_days_ago -%}
        {%- if metric.aggregate == 'monthly_mean' -%}
            {{- return(rounded('cast(sum(' ~ value ~ ') * 30 as double) / ' ~ days)) -}}
        {%- endif -%}
        {#- Least squares: monthly sums times distances from the middle, over the squared distances, (n^3 - n) / 12 for n months. -#}
        {%- set months = days // 30 -%}
        {%- set distance = (months - 1) / 2 ~ ' - floor(' ~ age ~ ' / 30)' -%}
        {%- set in_month = 'case when ' ~ age ~ ' < ' ~ 30 * months ~ ' then ' ~ distance ~ ' end' -%}
        {{- return(rounded('cast(sum(' ~ value ~ ' * ' ~ in_month ~ ') as double) / ' ~ (months ** 3 - months) / 12)) -}}
    {%- elif metric.aggregate == 'mean' -%}
        {{- return(mean(value)) -}}
    {%- elif metric.aggregate == 'last' -%}
        {{- return(value_on_last_day(value, day)) -}}
    {%- elif metric.aggregate in ['count_distinct', 'count_days'] -%}
        {{- return('count(distinct ' ~ value ~ ')') -}}
    {%- elif metric.aggregate == 'days_since_first' -%}
        {{- return(dbt.datediff('min(' ~ value ~ ')', as_of, 'day')) -}}
    {%- elif metric.aggregate == 'days_since_last' -%}
        {{- return(dbt.datediff('max(' ~ value ~ ')', as_of, 'day')) -}}
    {%- endif -%}
    {{- return(metric.aggregate ~ '(' ~ value ~ ')') -}}
{% endmacro %}


{% macro metric_absent(window, column_sql) %}
    {{- return('coalesce(' ~ column_sql ~ ', 0)' if window.absent == 0 else column_sql) -}}
{% endmacro %}


{% macro value_on_last_day(value, day) %}
    {{- return(adapter.dispatch('value_on_last_day', 'customer_segmentation')(value, day)) -}}
{% endmacro %}

{% macro duckdb__value_on_last_day(value, day) -%}
    arg_max({{ value }}, row({{ day }}, {{ value }}))
{%- endmacro %}

{% macro spark__value_on_last_day(value, day) -%}
    max_by({{ value }}, case when {{ value }} is not null then struct({{ day }}, {{ value }}) end)
{%- endmacro %}


{% macro mean(value) %}
    {{- return(adapter.dispatch('mean', 'customer_segmentation')(value)) -}}
{% endmacro %}

{% macro default__mean(value) -%}
    avg({{ value }})
{%- endmacro %}

{#- The average of a decimal is a decimal there, with four more digits. -#}
{% macro spark__mean(value) -%}
    cast(sum({{ value }}) as double) / nullif(count({{ value }}), 0)
{%- endmacro %}
