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


{% macro reading(extreme, expression, formats) -%}
    {{ extreme }}({% for format in formats %}{{ date_in_format(expression, format) }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}


{#- DuckDB reads 80 as %Y to the year 80, and words without a digit, such as epoch. -#}
{% macro date_in_format(expression, format) -%}
    {%- set reading = 'try_strptime(cast(' ~ expression ~ ' as varchar), ' ~ sql_literal(format) ~ ')' -%}
    case when regexp_matches(cast({{ expression }} as varchar), '[0-9]') and year({{ reading }}) >= 1000 then cast({{ reading }} as date) end
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
