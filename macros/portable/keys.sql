{#-
    A text id computed from values that identify a row: the same values give the same id on every engine and in
    every build. Each value is written with its length before it, so no two lists of values read the same.
-#}
{% macro hashed_id(expressions) -%}
    md5(
        {%- for expression in expressions %}
        {%- set text = 'cast(' ~ expression ~ ' as ' ~ dbt.type_string() ~ ')' %}
        coalesce(cast(length({{ text }}) as {{ dbt.type_string() }}) || ':' || {{ text }}, '-')
        {%- if not loop.last %} ||{% endif %}
        {%- endfor %}
    )
{%- endmacro %}


{#- A compact key from a hashed id: its first 60 bits as a bigint, for joins inside the project. -#}
{% macro compact_key(hashed_id) %}
    {{- return(adapter.dispatch('compact_key', 'customer_segmentation')(hashed_id)) -}}
{% endmacro %}

{% macro default__compact_key(hashed_id) -%}
    cast('0x' || substr({{ hashed_id }}, 1, 15) as bigint)
{%- endmacro %}


{#-
    A reference that is safe to show. One that may be an e-mail address, a phone number or a person's name is replaced by
    a keyed hash: whatever holds an @ (also as %40), begins with + or tel: or mailto:, has digits in groups, holds a blank
    or anything but plain letters, digits and signs, or is longer than any id. Plain digits are kept: most shops number
    their customers so.
-#}
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
            then 'h-' || segmentation_keyed_hash({{ expression }})
        else {{ expression }}
    end
{%- endmacro %}


{#-
    A fast hash of columns as a whole number, for finding what may be equal. Not stable over versions: who stores it stores the version too. DuckDB's
    hash of columns is made of one hash for each by xor; hashed once more, rows that swap their values differ when they are
    combined by xor.
-#}
{% macro quick_hash(columns) %}
    {{- return(adapter.dispatch('quick_hash', 'customer_segmentation')(columns)) -}}
{% endmacro %}

{% macro duckdb__quick_hash(columns) -%}
    hash(hash({{ columns | join(', ') }}))
{%- endmacro %}

{#-
    A query of the rows of a CTE with the lowest keys, within each value of part where there is one. Keys are hashes, so they
    are a random sample, and the same one in every build. Rows with one key are drawn together.
-#}
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


{#- A whole number that is the same for all rows of a sample and another one when any row changes, comes or goes. Row order
    doesn't matter. The columns include a unique one: equal rows would cancel each other out.

    columns: expressions that make up a row. part: the expression that tells samples apart. -#}
{% macro sample_hash(columns, part) -%}
    bit_xor({{ quick_hash(columns) }}) over (partition by {{ part }})
{%- endmacro %}
