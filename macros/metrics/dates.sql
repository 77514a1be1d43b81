{#- Date arithmetic in days. Engines disagree on date - number, so no model writes it by hand. -#}
{% macro days_before(date_sql, days) %}
    {{- return(adapter.dispatch('days_before', 'customer_segmentation')(date_sql, days)) -}}
{% endmacro %}

{#- A literal is an integer already; DuckDB refuses date - bigint, which is what most columns are. -#}
{% macro default__days_before(date_sql, days) %}
    {{- return('(' ~ date_sql ~ ' - ' ~ (days if days is integer else 'cast(' ~ days ~ ' as integer)') ~ ')') -}}
{% endmacro %}

{% macro spark__days_before(date_sql, days) %}
    {{- return('date_sub(' ~ date_sql ~ ', ' ~ (days if days is integer else 'cast(' ~ days ~ ' as int)') ~ ')') -}}
{% endmacro %}


{% macro days_between(from_sql, to_sql) %}
    {{- return(adapter.dispatch('days_between', 'customer_segmentation')(from_sql, to_sql)) -}}
{% endmacro %}

{% macro default__days_between(from_sql, to_sql) %}
    {{- return('(' ~ to_sql ~ ' - ' ~ from_sql ~ ')') -}}
{% endmacro %}

{% macro spark__days_between(from_sql, to_sql) %}
    {{- return('datediff(' ~ to_sql ~ ', ' ~ from_sql ~ ')') -}}
{% endmacro %}
