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

{% macro spark__compact_key(hashed_id) -%}
    cast(conv(substr({{ hashed_id }}, 1, 15), 16, 10) as bigint)
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

{% macro spark__safe_reference(expression) -%}
    {%- set unsafe = '[^!-~]|@|%40|^\\+|^(tel|mailto|TEL|MAILTO):|^.{65}|^[(0-9][0-9]*[()./-]+[0-9()./-]{5,}$' -%}
    case when {{ regex_matches(expression, unsafe) }} then {{ hashed_reference(expression) }} else {{ expression }} end
{%- endmacro %}


{% macro hashed_reference(expression) %}
    {{- return(adapter.dispatch('hashed_reference', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__hashed_reference(expression) -%}
    segmentation_hashed_reference({{ expression }})
{%- endmacro %}

{#- As hashed_reference of identity/identifiers.py. -#}
{% macro spark__hashed_reference(expression) -%}
    {%- set blanks = '[\\s\\p{Z}\\p{Cc}]+' -%}
    {%- set email = regex_replace(regex_replace(spark__fold_text(expression), blanks, ''), '^mailto:', '') -%}
    {%- set is_email = regex_matches(email, '^' ~ email_form() ~ '$') -%}
    {%- set without_tag = regex_replace(email, '(.)[+][^@]*@', '\\1@') -%}
    {%- set role = '^(accounts|admin|billing|contact|customerservice|enquiries|hello|help|hr|info|jobs|mail|marketing|no-?reply|office|orders|post|postmaster|reception|sales|service|shop|support|team|webmaster)@' -%}
    {%- set other = regex_replace(regex_replace(spark__case_folded(expression), '^' ~ blanks ~ '|' ~ blanks ~ '$', ''), '^mailto:', '') -%}
    case when {{ is_email }} and not {{ regex_matches(without_tag, role) }} then 'e-' else 'h-' end
    || {{ hashed_text('case when ' ~ is_email ~ ' then ' ~ without_tag ~ ' else ' ~ other ~ ' end') }}
{%- endmacro %}


{% macro hashed_text(expression) %}
    {{- return(adapter.dispatch('hashed_text', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__hashed_text(expression) -%}
    segmentation_hashed_text({{ expression }})
{%- endmacro %}

{#-
    HMAC-SHA-256 (RFC 2104) of sha2. The key is read where the query runs, from the environment of the executors, so that it
    is in no SQL text, plan or log; a variable that isn't set comes as the text null. The lambda reads it once per row.
-#}
{% macro spark__hashed_text(expression) -%}
    {%- set key = 'coalesce(' ~ spark__own_hash_key() ~ ", 'demo-key-set-SEGMENTATION_HASH_KEY-for-real-data')" -%}
    {%- set padded = {} -%}
    {%- for pad in [54, 92] -%}
        {%- do padded.update({pad: "unhex(array_join(transform(sequence(1, 127, 2), place -> lpad(hex(cast(conv(substr(key, place, 2), 16, 10) as bigint) ^ " ~ pad ~ "), 2, '0')), ''))"}) -%}
    {%- endfor -%}
    element_at(
        transform(
            transform(
                array({{ key }}),
                given -> rpad(case when octet_length(given) > 64 then sha2(given, 256) else hex(encode(given, 'UTF-8')) end, 128, '0')
            ),
            key -> left(sha2(concat({{ padded[92] }}, unhex(sha2(concat({{ padded[54] }}, encode({{ expression }}, 'UTF-8')), 256))), 256), 32)
        ),
        1
    )
{%- endmacro %}


{#- Text: null without one. -#}
{% macro spark__own_hash_key() -%}
    nullif(nullif(reflect('java.lang.System', 'getenv', 'SEGMENTATION_HASH_KEY'), 'null'), '')
{%- endmacro %}


{% macro has_own_hash_key() %}
    {{- return(adapter.dispatch('has_own_hash_key', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__has_own_hash_key() -%}
    segmentation_has_own_hash_key()
{%- endmacro %}

{% macro spark__has_own_hash_key() -%}
    ({{ spark__own_hash_key() }} is not null)
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

{#- xxhash64 passes over nulls, so (null, a) would be (a, null). -#}
{% macro spark__quick_hash(columns) -%}
    xxhash64({% for column in columns %}{{ column }}, {{ column }} is null{{ ', ' if not loop.last }}{% endfor %})
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
