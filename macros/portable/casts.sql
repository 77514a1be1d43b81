{#- A cast that gives null where a value can't be cast. dbt.safe_cast is a plain cast on DuckDB and Spark. -#}
{% macro try_cast(expression, type) %}
    {{- return(adapter.dispatch('try_cast', 'customer_segmentation')(expression, type)) -}}
{% endmacro %}

{% macro default__try_cast(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}


{#- Trimmed text; null where nothing is left. For ids and words: `00123` and `123` stay different. -#}
{% macro to_text(expression) -%}
    nullif(trim(cast({{ expression }} as {{ dbt.type_string() }})), '')
{%- endmacro %}


{#- Money as decimal(18,2). NaN, infinite and unreadable values become null. -#}
{% macro to_money(expression) -%}
    {{ try_cast(expression, 'decimal(18, 2)') }}
{%- endmacro %}


{#- A number as double. NaN, infinite and unreadable values become null. -#}
{% macro to_number(expression) %}
    {{- return(adapter.dispatch('to_number', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_number(expression) -%}
    case when isfinite({{ try_cast(expression, 'double') }}) then {{ try_cast(expression, 'double') }} end
{%- endmacro %}


{% macro to_boolean(expression) -%}
    {{ try_cast(to_text(expression), 'boolean') }}
{%- endmacro %}


{#-
    The instant a raw value stands for, or null. A value with an offset is taken as it is; a time stamp
    without one is in var raw_timezone; a bare date is midnight in var timezone. Infinite values are null.
    The type of the raw column decides where it can: a time stamp read from Parquet never becomes text.
-#}
{% macro to_instant(expression) %}
    {{- return(adapter.dispatch('to_instant', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_instant(expression) -%}
    {%- set text = 'trim(cast(' ~ expression ~ ' as varchar))' -%}
    {%- set date = '\\d{4}-\\d{2}-\\d{2}' -%}
    {%- set stamp = date ~ '[ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?' -%}
    {%- set offset = ' ?(Z|UTC|[+-]\\d{2}(:?\\d{2})?)' -%}
    case
        when typeof({{ expression }}) = 'TIMESTAMP WITH TIME ZONE'
            then {{ finite_instant(try_cast(expression, 'timestamp with time zone')) }}
        when typeof({{ expression }}) = 'DATE'
            then {{ finite_instant("timezone('" ~ setting('timezone') ~ "', " ~ try_cast(expression, 'timestamp') ~ ")") }}
        when typeof({{ expression }}) like 'TIMESTAMP%'
            then {{ duckdb__instant_of_stamp(try_cast(expression, 'timestamp')) }}
        when regexp_full_match({{ text }}, '{{ date }}')
            then timezone('{{ setting("timezone") }}', try_cast({{ text }} as timestamp))
        when regexp_full_match({{ text }}, '{{ stamp }}')
            then timezone('{{ setting("raw_timezone") }}', try_cast({{ text }} as timestamp))
        when regexp_full_match({{ text }}, '{{ stamp ~ offset }}')
            then try_cast(replace(replace({{ text }}, ' +', '+'), ' -', '-') as timestamp with time zone)
    end
{%- endmacro %}

{#- A stamp in var raw_timezone. In UTC it has the microseconds of the instant; others ask the calendar of the zone. -#}
{% macro duckdb__instant_of_stamp(stamp) -%}
    {%- if setting('raw_timezone') == 'UTC' -%}
case when isfinite({{ stamp }}) then make_timestamptz(epoch_us({{ stamp }})) end
    {%- else -%}
{{ finite_instant("timezone('" ~ setting('raw_timezone') ~ "', " ~ stamp ~ ")") }}
    {%- endif -%}
{%- endmacro %}

{% macro finite_instant(expression) -%}
    case when isfinite({{ expression }}) then {{ expression }} end
{%- endmacro %}


{#- An instant that was written as text by the same engine; a typed null for none. -#}
{% macro instant(text) %}
    {{- return(adapter.dispatch('instant', 'customer_segmentation')(text)) -}}
{% endmacro %}

{% macro default__instant(text) -%}
    cast({{ 'null' if text is none else sql_literal(text) }} as timestamp with time zone)
{%- endmacro %}


{#-
    Money divided by a count, to the cent, half a cent away from zero; null where the count is 0. In cents, because a
    quotient in double has exact halves there and not in the currency: 69.99 / 2 is a little less than 34.995.
-#}
{% macro money_mean(amount, count) -%}
    cast(round(cast({{ amount }} * 100 as double) / nullif({{ count }}, 0)) / 100 as decimal(18, 2))
{%- endmacro %}
