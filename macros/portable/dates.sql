{#- The date of an instant in var timezone. -#}
{% macro local_date(instant) %}
    {{- return(adapter.dispatch('local_date', 'customer_segmentation')(instant)) -}}
{% endmacro %}

{% macro duckdb__local_date(instant) -%}
    cast(timezone('{{ timezone_var("timezone") }}', {{ instant }}) as date)
{%- endmacro %}

{% macro spark__local_date(instant) -%}
    cast(from_utc_timestamp(to_utc_timestamp({{ instant }}, current_timezone()), '{{ timezone_var("timezone") }}') as date)
{%- endmacro %}


{#- The hour of an instant in var timezone, 0 to 23. -#}
{% macro local_hour(instant) %}
    {{- return(adapter.dispatch('local_hour', 'customer_segmentation')(instant)) -}}
{% endmacro %}

{% macro duckdb__local_hour(instant) -%}
    cast(extract(hour from timezone('{{ timezone_var("timezone") }}', {{ instant }})) as integer)
{%- endmacro %}

{% macro spark__local_hour(instant) -%}
    hour(from_utc_timestamp(to_utc_timestamp({{ instant }}, current_timezone()), '{{ timezone_var("timezone") }}'))
{%- endmacro %}


{#- Whether a date is a Saturday or a Sunday. 1 January 1900 was a Monday; engines number the days of a week differently. -#}
{% macro is_weekend(day) -%}
    mod({{ days_between("date '1900-01-01'", day) }}, 7) >= 5
{%- endmacro %}


{#- A relation with one column `day`: every date from one expression to another, both included, by a step. -#}
{% macro dates_between(first, last, step) %}
    {{- return(adapter.dispatch('dates_between', 'customer_segmentation')(first, last, step)) -}}
{% endmacro %}

{% macro duckdb__dates_between(first, last, step) -%}
    select cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 {{ step }})) as date) as day
{%- endmacro %}

{% macro spark__dates_between(first, last, step) -%}
    select explode(sequence({{ first }}, {{ last }}, interval 1 {{ step }})) as day
{%- endmacro %}


{#- Seconds from one instant to another. -#}
{% macro seconds_between(from_instant, to_instant) %}
    {{- return(adapter.dispatch('seconds_between', 'customer_segmentation')(from_instant, to_instant)) -}}
{% endmacro %}

{% macro duckdb__seconds_between(from_instant, to_instant) -%}
    (epoch({{ to_instant }}) - epoch({{ from_instant }}))
{%- endmacro %}

{% macro spark__seconds_between(from_instant, to_instant) -%}
    (unix_timestamp({{ to_instant }}) - unix_timestamp({{ from_instant }}))
{%- endmacro %}
