{% macro try_cast(expression, type) %}
    {{- return(adapter.dispatch('try_cast', 'customer_segmentation')(expression, type)) -}}
{% endmacro %}

{% macro default__try_cast(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}


{% macro to_text(expression) -%}
    nullif(trim(cast({{ expression }} as {{ dbt.type_string() }})), '')
{%- endmacro %}


{% macro to_money(expression) -%}
    {{ try_cast(expression, 'decimal(18, 2)') }}
{%- endmacro %}


{% macro to_number(expression) %}
    {{- return(adapter.dispatch('to_number', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_number(expression) -%}
    case when isfinite({{ try_cast(expression, 'double') }}) then {{ try_cast(expression, 'double') }} end
{%- endmacro %}


{% macro to_boolean(expression) -%}
    {{ try_cast(to_text(expression), 'boolean') }}
{%- endmacro %}


{#- The type of the raw column decides where it can: a time stamp read from Parquet never becomes text. -#}
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

{#- In UTC a stamp has the microseconds of the instant; other zones need their calendar. -#}
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


{#- In cents, where a quotient in double has exact halves: in the currency 69.99 / 2 is a little less than 34.995. -#}
{% macro money_mean(amount, count) -%}
    cast(round(cast({{ amount }} * 100 as double) / nullif({{ count }}, 0)) / 100 as decimal(18, 2))
{%- endmacro %}
