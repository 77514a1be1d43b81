{#- Formats are never guessed: 03/04/1980 is in April for one system and in March for another. -#}
{% macro to_date(expression, source_system="'default'") %}
    {{- return(adapter.dispatch('to_date', 'customer_segmentation')(expression, source_system)) -}}
{% endmacro %}

{% macro duckdb__to_date(expression, source_system) -%}
    case
        when typeof({{ expression }}) <> 'VARCHAR'
            then case when isfinite({{ try_cast(expression, 'date') }}) then {{ try_cast(expression, 'date') }} end
        {%- for condition, formats in date_formats_by_system(source_system) %}
        when {{ condition }} and {{ reading('least', expression, formats) }} = {{ reading('greatest', expression, formats) }}
            then {{ reading('least', expression, formats) }}
        {%- endfor %}
    end
{%- endmacro %}

{% macro spark__to_date(expression, source_system) -%}
    case
        when typeof({{ expression }}) <> 'string'
            then case when {{ regex_matches('cast(' ~ expression ~ ' as string)', '^\\d{4}-') }} then {{ try_cast(expression, 'date') }} end
        {%- for condition, formats in date_formats_by_system(source_system) %}
        when {{ condition }} and {{ reading('least', expression, formats) }} = {{ reading('greatest', expression, formats) }}
            then {{ reading('least', expression, formats) }}
        {%- endfor %}
    end
{%- endmacro %}


{% macro plausible_date_limit(name) -%}
    {%- set limit = setting(name) -%}
    cast({{ sql_literal(limit) if limit else 'null' }} as date)
{%- endmacro %}


{#- Twice in a case, an instant would be read twice. -#}
{% macro plausible_instant(instant) %}
    {{- return(adapter.dispatch('plausible_instant', 'customer_segmentation')(instant) if setting('earliest_plausible_date') else instant) -}}
{% endmacro %}

{% macro duckdb__plausible_instant(instant) -%}
    {%- set too_early = "timezone('" ~ setting('timezone') ~ "', timestamp '" ~ setting('earliest_plausible_date') ~ "') - interval 1 microsecond" -%}
    {%- set too_late = "timestamptz '2262-01-01 00:00:00+00'" -%}
    nullif(nullif(greatest(least({{ instant }}, {{ too_late }}), {{ too_early }}), {{ too_early }}), {{ too_late }})
{%- endmacro %}

{% macro spark__plausible_instant(instant) -%}
    case
        when {{ instant }} >= to_utc_timestamp(timestamp '{{ setting('earliest_plausible_date') }}', '{{ setting('timezone') }}')
            and {{ instant }} < timestamp '2262-01-01 00:00:00'
            then {{ instant }}
    end
{%- endmacro %}


{% macro is_ambiguous_date(expression, source_system="'default'") %}
    {{- return(adapter.dispatch('is_ambiguous_date', 'customer_segmentation')(expression, source_system)) -}}
{% endmacro %}

{% macro duckdb__is_ambiguous_date(expression, source_system) -%}
    typeof({{ expression }}) = 'VARCHAR' and (
        {%- for condition, formats in date_formats_by_system(source_system) %}
        {{ 'or ' if not loop.first }}({{ condition }} and {{ reading('least', expression, formats) }} < {{ reading('greatest', expression, formats) }})
        {%- endfor %}
    )
{%- endmacro %}

{% macro spark__is_ambiguous_date(expression, source_system) -%}
    typeof({{ expression }}) = 'string' and (
        {%- for condition, formats in date_formats_by_system(source_system) %}
        {{ 'or ' if not loop.first }}({{ condition }} and {{ reading('least', expression, formats) }} < {{ reading('greatest', expression, formats) }})
        {%- endfor %}
    )
{%- endmacro %}


{#- Spark takes the least of two values or more. -#}
{% macro reading(extreme, expression, formats) %}
    {%- set readings = [] -%}
    {%- for format in formats -%}
        {%- do readings.append(date_in_format(expression, format)) -%}
    {%- endfor -%}
    {{- return(extreme ~ '(' ~ readings | join(', ') ~ ')' if formats | length > 1 else readings[0]) -}}
{% endmacro %}


{% macro date_in_format(expression, format) %}
    {{- return(adapter.dispatch('date_in_format', 'customer_segmentation')(expression, format)) -}}
{% endmacro %}

{#- DuckDB reads 80 as %Y to the year 80, and words without a digit, such as epoch. -#}
{% macro duckdb__date_in_format(expression, format) -%}
    {%- set reading = 'try_strptime(cast(' ~ expression ~ ' as varchar), ' ~ sql_literal(format) ~ ')' -%}
    case when regexp_matches(cast({{ expression }} as varchar), '[0-9]') and year({{ reading }}) >= 1000 then cast({{ reading }} as date) end
{%- endmacro %}

{#- Spark's own formats differ from DuckDB's in how many digits they take, so the parts are picked out by a pattern. -#}
{% macro spark__date_in_format(expression, format) -%}
    {%- set text = 'cast(' ~ expression ~ ' as string)' -%}
    {%- set months = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'] -%}
    {%- set patterns = {
        'Y': '([1-9][0-9]{3})', 'y': '([0-9]{2})', 'm': '([0-9]{1,2})', 'd': '([0-9]{1,2})', 'b': '([A-Za-z]{3})', 'B': '([A-Za-z]+)',
        'H': '(?:[01]?[0-9]|2[0-3])', 'M': '[0-5]?[0-9]', 'S': '[0-5]?[0-9]'
    } -%}
    {%- set form, part_of = namespace(text='^\\s*'), {} -%}
    {%- for piece in modules.re.split('(%-?[YymbBdHMS])', format) -%}
        {%- set part = piece[-1:] if piece.startswith('%') -%}
        {%- set form.text = form.text ~ (patterns[part] if part else modules.re.escape(piece).replace("'", "''")) -%}
        {%- if part and part not in 'HMS' -%}
            {%- do part_of.update({part: part_of | length + 1}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set pattern, found = spark__pattern(form.text ~ '\\s*$'), {} -%}
    {%- for part, number in part_of.items() -%}
        {%- do found.update({part: 'regexp_extract(' ~ text ~ ', ' ~ pattern ~ ', ' ~ number ~ ')'}) -%}
    {%- endfor -%}
    {%- set year = found.Y or "case when " ~ found.y ~ " >= '69' then '19' else '20' end || " ~ found.y -%}
    {%- set names = [] -%}
    {%- for month in months -%}
        {%- do names.append(sql_literal(month[:3] if found.b else month)) -%}
    {%- endfor -%}
    {%- set named = 'array_position(array(' ~ names | join(', ') ~ '), lower(' ~ (found.b or found.B) ~ '))' -%}
    case
        when {{ text }} rlike {{ pattern }}
            then try_cast({{ year }} || '-' || {{ found.m or named }} || '-' || {{ found.d }} as date)
    end
{%- endmacro %}


{% macro date_formats_by_system(source_system) %}
    {% set given = date_formats() %}
    {% if given is not mapping %}
        {{ return([('true', given)]) }}
    {% endif %}
    {% set systems, names = [], [] %}
    {% for system, formats in given.items() %}
        {% do names.append(sql_literal(system)) %}
        {% do systems.append((source_system ~ ' = ' ~ sql_literal(system), formats)) %}
    {% endfor %}
    {% set is_another = source_system ~ ' not in (' ~ names | join(', ') ~ ')' if names else 'true' %}
    {{ return(systems + [(is_another, ['%Y-%m-%d'])]) }}
{% endmacro %}
