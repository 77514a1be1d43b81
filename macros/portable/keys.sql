{#- Each value has its length before it, so that different lists never give the same text. -#}
{% macro hashed_id(expressions) -%}
    md5(
        {%- for expression in expressions %}
        {%- set text = 'cast(' ~ expression ~ ' as ' ~ dbt.type_string() ~ ')' %}
        coalesce(cast(length({{ text }}) as {{ dbt.type_string() }}) || ':' || {{ text }}, '-')
        {%- if not loop.last %} ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}


{% macro compact_key(hashed_id) %}
    {{- return(adapter.dispatch('compact_key', 'customer_segmentation')(hashed_id)) -}}
{% endmacro %}

{% macro default__compact_key(hashed_id) -%}
    cast('0x' || substr({{ hashed_id }}, 1, 15) as bigint)
{%- endmacro %}


{#- A compact key has 60 bits. -#}
{% macro hashed_share(expressions) -%}
    {{ compact_key(hashed_id(expressions)) }} / 1152921504606846976.0
{%- endmacro %}


{% macro safe_reference(expression) %}
    {{- return(adapter.dispatch('safe_reference', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__safe_reference(expression) -%}
    case
        when
            regexp_matches(
                {{ expression }},
                '[^!-~]|@|%40|^\+|^(tel|mailto|TEL|MAILTO):|^.{65}|^[(0-9][0-9]*[()./-]+[0-9()./-]{5,}$'
            )
            then {{ hashed_reference(expression) }}
        else {{ expression }}
    end
{%- endmacro %}


{% macro hashed_reference(expression) %}
    {{- return(adapter.dispatch('hashed_reference', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__hashed_reference(expression) -%}
    segmentation_hashed_reference({{ expression }})
{%- endmacro %}


{% macro hashed_text(expression) %}
    {{- return(adapter.dispatch('hashed_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__hashed_text(expression) -%}
    segmentation_hashed_text({{ expression }})
{%- endmacro %}


{% macro is_email_reference(expression) -%}
    {{ regex_matches(expression, '^e-[0-9a-f]{32}$') }}
{%- endmacro %}


{#- DuckDB's hash of a row is the xor of its columns' hashes. Hashed again, rows with swapped values differ when combined by xor. -#}
{% macro quick_hash(columns) %}
    {{- return(adapter.dispatch('quick_hash', 'customer_segmentation')(columns)) -}}
{% endmacro %}

{% macro duckdb__quick_hash(columns) -%}
    hash(hash({{ columns | join(', ') }}))
{%- endmacro %}


{#- Keys are hashes, so the lowest are a random sample, the same in every build. -#}
{% macro lowest_keys(relation, size, key='customer_key', part=none) -%}
select *
from (
    select
        *,
        dense_rank() over ({{ 'partition by ' ~ part ~ ' ' if part }}order by {{ key }}) as position
    from {{ relation }}
) as ranked
where position <= {{ size }}
{%- endmacro %}


{#- Equal rows would cancel each other out, so one column must be unique. -#}
{% macro sample_hash(columns, part) -%}
    bit_xor({{ quick_hash(columns) }}) over (partition by {{ part }})
{%- endmacro %}
