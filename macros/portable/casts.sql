{% macro try_cast(expression, type) %}
    {{- return(adapter.dispatch('try_cast', 'customer_segmentation')(expression, type)) -}}
{% endmacro %}

{% macro default__try_cast(expression, type) -%}
    try_cast({{ expression }} as {{ type }})
{%- endmacro %}

{#- By way of text, since Spark refuses whole queries for casts such as boolean to timestamp. A double becomes a decimal as on DuckDB, by its product with a power of ten: 1.005 is 1.00. -#}
{% macro spark__try_cast(expression, type) -%}
    {%- set text, scale = 'cast(' ~ expression ~ ' as string)', modules.re.search('decimal[(][0-9]+, *([0-9]+)[)]', type) -%}
    {%- if scale -%}
        {%- set power = 10 ** (scale.group(1) | int) -%}
    case
        when typeof({{ expression }}) in ('float', 'double')
            then try_cast(try_divide(try_cast(round(try_cast({{ text }} as double) * {{ power }}) as decimal(38, 0)), {{ power }}) as {{ type }})
        else try_cast({{ text }} as {{ type }})
    end
    {%- else -%}
    try_cast({{ text }} as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#- The type of the raw column is known when the query is planned, so that only one branch of these is run. -#}
{% macro to_text(expression) %}
    {{- return(adapter.dispatch('to_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_text(expression) -%}
    {%- set text = 'cast(' ~ expression ~ ' as varchar)' -%}
    {%- set number = try_cast(text, 'double') -%}
    {%- set whole = try_cast(number, 'hugeint') -%}
    nullif(
        case
            when typeof({{ expression }}) in ('FLOAT', 'DOUBLE') and {{ whole }} = {{ number }} then cast({{ whole }} as varchar)
            when typeof({{ expression }}) like 'DECIMAL%' then regexp_replace({{ text }}, '[.]0+$', '')
            when typeof({{ expression }}) = 'BLOB' then trim(decode({{ try_cast(text, 'blob') }}))
            when regexp_full_match({{ text }}, '[!-~]([ -~]*[!-~])?') then {{ text }}
            else regexp_replace({{ text }}, '^[\s\p{Z}\p{C}]+|[\s\p{Z}\p{C}]+$', '', 'g')
        end,
        ''
    )
{%- endmacro %}

{% macro spark__to_text(expression) -%}
    {%- set text = 'cast(' ~ expression ~ ' as string)' -%}
    {%- set number = 'try_cast(' ~ text ~ ' as double)' -%}
    {%- set whole = 'try_cast(' ~ number ~ ' as decimal(38, 0))' -%}
    nullif(
        case
            when typeof({{ expression }}) in ('float', 'double') and cast({{ whole }} as double) = {{ number }} then cast({{ whole }} as string)
            when typeof({{ expression }}) in ('float', 'double') and isnan({{ number }}) then 'nan'
            when typeof({{ expression }}) in ('float', 'double') and abs({{ number }}) = double('infinity')
                then case when {{ number }} > 0 then 'inf' else '-inf' end
            when typeof({{ expression }}) like 'decimal%' then {{ regex_replace(text, '[.]0+$', '') }}
            when {{ regex_matches(text, '^[!-~]([ -~]*[!-~])?$') }} then {{ text }}
            else {{ regex_replace(text, '^[\\s\\p{Z}\\p{C}]+|[\\s\\p{Z}\\p{C}]+$', '') }}
        end,
        ''
    )
{%- endmacro %}


{#- An export writes its missing ids as words, and all orders of NULL would be one customer's. -#}
{% macro to_key(expression) %}
    {%- set key, words = key_text(expression), setting('empty_references') | map('trim') | map('lower') | unique -%}
    {%- set literals = [] -%}
    {%- for word in words -%}
        {%- do literals.append(sql_literal(word)) -%}
    {%- endfor -%}
    {{- return('case when lower(' ~ key ~ ') not in (' ~ literals | join(', ') ~ ') then ' ~ key ~ ' end' if literals else key) -}}
{% endmacro %}


{#- Spreadsheets and data frames write whole numbers as 17850.0, and pasted ids carry invisible characters. -#}
{% macro key_text(expression) %}
    {{- return(adapter.dispatch('key_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__key_text(expression) -%}
    {%- set text = 'cast(' ~ expression ~ ' as varchar)' -%}
    case
        when {{ has_inexact_key([expression]) }} then null
        when typeof({{ expression }}) <> 'VARCHAR' then {{ to_text(expression) }}
        when not regexp_matches({{ text }}, '[^!-~]|[.]0$') then nullif({{ text }}, '')
        else regexp_replace(
            nullif(regexp_replace({{ text }}, '^[\s\p{Z}\p{C}]+|[\p{Cc}\p{Cf}]|[\s\p{Z}\p{C}]+$', '', 'g'), ''),
            '^(-?[0-9]+)[.]0$',
            '\1'
        )
    end
{%- endmacro %}

{% macro spark__key_text(expression) -%}
    {%- set text = 'cast(' ~ expression ~ ' as string)' -%}
    case
        when {{ has_inexact_key([expression]) }} then null
        when typeof({{ expression }}) <> 'string' then {{ to_text(expression) }}
        when not {{ regex_matches(text, '[^!-~]|[.]0$') }} then nullif({{ text }}, '')
        else {{ regex_replace(
            "nullif(" ~ regex_replace(text, '^[\\s\\p{Z}\\p{C}]+|[\\p{Cc}\\p{Cf}]|[\\s\\p{Z}\\p{C}]+$', '') ~ ", '')",
            '^(-?[0-9]+)[.]0$',
            '\\1'
        ) }}
    end
{%- endmacro %}


{#- From 2^53 on, a double can't tell a whole number from the next. NaN, which compares as the greatest, is no number at all. -#}
{% macro has_inexact_key(expressions) %}
    {{- return(adapter.dispatch('has_inexact_key', 'customer_segmentation')(expressions)) -}}
{% endmacro %}

{% macro duckdb__has_inexact_key(expressions) -%}
    (
        {%- for expression in expressions %}
        {%- set number = try_cast('cast(' ~ expression ~ ' as varchar)', 'double') %}
        {{ 'or ' if not loop.first }}coalesce(typeof({{ expression }}) in ('FLOAT', 'DOUBLE') and abs({{ number }}) >= 9007199254740992 and not isnan({{ number }}), false)
        {%- endfor %}
    )
{%- endmacro %}

{% macro spark__has_inexact_key(expressions) -%}
    (
        {%- for expression in expressions %}
        {%- set number = try_cast(expression, 'double') %}
        {{ 'or ' if not loop.first }}coalesce(typeof({{ expression }}) in ('float', 'double') and abs({{ number }}) >= 9007199254740992 and not isnan({{ number }}), false)
        {%- endfor %}
    )
{%- endmacro %}


{% macro to_money(expression) -%}
    case when {{ is_plain_number(expression) }} then {{ try_cast(expression, 'decimal(18, 2)') }} end
{%- endmacro %}


{% macro to_number(expression) %}
    {{- return(adapter.dispatch('to_number', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_number(expression) -%}
    case
        when {{ is_plain_number(expression) }} and isfinite({{ try_cast(expression, 'double') }})
            then {{ try_cast(expression, 'double') }}
    end
{%- endmacro %}

{% macro spark__to_number(expression) -%}
    case
        when {{ is_plain_number(expression) }} and abs({{ try_cast(expression, 'double') }}) < double('infinity')
            then {{ try_cast(expression, 'double') }}
    end
{%- endmacro %}


{#- The cast also reads true as 1, 1_000 as 1000 and 1e-3 as 0.00. -#}
{% macro is_plain_number(expression) %}
    {{- return(adapter.dispatch('is_plain_number', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__is_plain_number(expression) -%}
    (typeof({{ expression }}) <> 'BOOLEAN' and (typeof({{ expression }}) <> 'VARCHAR' or not regexp_matches(cast({{ expression }} as varchar), '_|[eE]-')))
{%- endmacro %}

{#- Spark's cast also reads 1d, a double in Java, as 1. -#}
{% macro spark__is_plain_number(expression) -%}
    {%- set number = '^\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+]?[0-9]+)?\\s*$' -%}
    (typeof({{ expression }}) <> 'boolean' and (typeof({{ expression }}) <> 'string' or {{ regex_matches('cast(' ~ expression ~ ' as string)', number) }}))
{%- endmacro %}


{% macro to_boolean(expression) -%}
    {{ try_cast('case ' ~ to_text(expression) ~ " when '1.0' then 'true' when '0.0' then 'false' else " ~ to_text(expression) ~ ' end', 'boolean') }}
{%- endmacro %}


{#- The type of the raw column decides where it can: a time stamp read from Parquet never becomes text. -#}
{% macro to_instant(expression) %}
    {{- return(adapter.dispatch('to_instant', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__to_instant(expression) -%}
    {%- set text = 'trim(cast(' ~ expression ~ ' as varchar))' -%}
    {%- set date = '\\d{4}-\\d{2}-\\d{2}' -%}
    {%- set stamp = date ~ '[ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?' -%}
    {%- set offset = ' ?(Z|UTC|[+-](0\\d|1[0-4])(:?[0-5]\\d)?)' -%}
    case
        when typeof({{ expression }}) like 'TIMESTAMP%TIME ZONE' or typeof({{ expression }}) like 'TIMESTAMPTZ%'
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

{#- Spark's cast wants seconds where there is an offset. -#}
{% macro spark__to_instant(expression) -%}
    {%- set text = 'trim(cast(' ~ expression ~ ' as string))' -%}
    {%- set date = '\\d{4}-\\d{2}-\\d{2}' -%}
    {%- set stamp = date ~ '[ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?' -%}
    {%- set offset = ' ?(Z|UTC|[+-](0\\d|1[0-4])(:?[0-5]\\d)?)' -%}
    case
        when typeof({{ expression }}) = 'timestamp' then {{ try_cast(text, 'timestamp') }}
        when typeof({{ expression }}) = 'timestamp_ntz'
            then {{ spark__instant_of_stamp(try_cast(text, 'timestamp'), setting('raw_timezone')) }}
        when {{ regex_matches(text, '^' ~ date ~ '$') }}
            then {{ spark__instant_of_stamp(try_cast(text, 'timestamp'), setting('timezone')) }}
        when {{ regex_matches(text, '^' ~ stamp ~ '$') }}
            then {{ spark__instant_of_stamp(try_cast(text, 'timestamp'), setting('raw_timezone')) }}
        when {{ regex_matches(text, '^' ~ stamp ~ offset ~ '$') }}
            then {{ try_cast(regex_replace("replace(replace(" ~ text ~ ", ' +', '+'), ' -', '-')", '^(.{10}[ T][0-9]{2}:[0-9]{2})([^:])', '\\1:00\\2'), 'timestamp') }}
    end
{%- endmacro %}

{#- Where clocks go back, a time of day comes twice. Spark reads the first, DuckDB the second, which has the offset of three hours later. -#}
{% macro spark__instant_of_stamp(stamp, zone) -%}
    {%- if zone == 'UTC' -%}
        {{- return(stamp) -}}
    {%- endif -%}
    {%- set first = "to_utc_timestamp(" ~ stamp ~ ", '" ~ zone ~ "')" -%}
    {%- set later = first ~ ' + interval 3 hours' -%}
    {%- set second = stamp ~ " - (from_utc_timestamp(" ~ later ~ ", '" ~ zone ~ "') - (" ~ later ~ '))' -%}
    case when from_utc_timestamp({{ second }}, '{{ zone }}') = {{ stamp }} then {{ second }} else {{ first }} end
{%- endmacro %}

{% macro finite_instant(expression) -%}
    case when isfinite({{ expression }}) then {{ expression }} end
{%- endmacro %}


{#- In cents, where a quotient in double has exact halves: in the currency 69.99 / 2 is a little less than 34.995. -#}
{% macro money_mean(amount, count) -%}
    cast(round(cast({{ amount }} * 100 as double) / nullif({{ count }}, 0)) / 100 as decimal(18, 2))
{%- endmacro %}
