{#- dbt.dateadd gives a time stamp on DuckDB: comparing the days of all facts with it takes twice as long. -#}
{% macro days_before(date_sql, days) %}
    {{- return(adapter.dispatch('days_before', 'customer_segmentation')(date_sql, days)) -}}
{% endmacro %}

{#- DuckDB refuses date - bigint, which is what most columns are. -#}
{% macro duckdb__days_before(date_sql, days) %}
    {{- return('(' ~ date_sql ~ ' - ' ~ (days if days is integer else 'cast(' ~ days ~ ' as integer)') ~ ')') -}}
{% endmacro %}
