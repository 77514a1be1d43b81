{#- The first anniversary is a year after the date. That of 29 February is 28 February in other years. -#}
{% macro days_to_anniversary(date_sql, as_of) -%}
    {%- set years = dbt.datediff(date_sql, as_of, 'year') -%}
    {%- set this_year, next_year = dbt.dateadd('year', years, date_sql), dbt.dateadd('year', '(' ~ years ~ ') + 1', date_sql) -%}
    {{- dbt.datediff(as_of, 'case when ' ~ years ~ ' > 0 and cast(' ~ this_year ~ ' as date) >= ' ~ as_of ~ ' then ' ~ this_year ~ ' else ' ~ next_year ~ ' end', 'day') -}}
{%- endmacro %}


{#- dbt.dateadd gives a time stamp on DuckDB: comparing the days of all facts with it takes twice as long. -#}
{% macro days_before(date_sql, days) %}
    {{- return(adapter.dispatch('days_before', 'customer_segmentation')(date_sql, days)) -}}
{% endmacro %}

{#- DuckDB refuses date - bigint, which is what most columns are. -#}
{% macro duckdb__days_before(date_sql, days) %}
    {{- return('(' ~ date_sql ~ ' - ' ~ (days if days is integer else 'cast(' ~ days ~ ' as integer)') ~ ')') -}}
{% endmacro %}

{% macro spark__days_before(date_sql, days) %}
    {{- return('date_sub(' ~ date_sql ~ ', cast(' ~ days ~ ' as integer))') -}}
{% endmacro %}


{% macro days_after(date_sql, days) %}
    {{- return(adapter.dispatch('days_after', 'customer_segmentation')(date_sql, days)) -}}
{% endmacro %}

{% macro duckdb__days_after(date_sql, days) %}
    {{- return('(' ~ date_sql ~ ' + ' ~ (days if days is integer else 'cast(' ~ days ~ ' as integer)') ~ ')') -}}
{% endmacro %}

{% macro spark__days_after(date_sql, days) %}
    {{- return('date_add(' ~ date_sql ~ ', cast(' ~ days ~ ' as integer))') -}}
{% endmacro %}


{% macro day_number(day='day') %}
    {{- return(dbt.datediff("date '1970-01-01'", day, 'day')) -}}
{% endmacro %}
