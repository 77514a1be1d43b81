{#- Only repeated keys go through the windows, which also separate keys with one hash. Hashes are cheaper to group by. -#}
{% macro row_fates(relation, key, content, loaded_at=none, uncompared=[], offending_columns={}, keys_in=none, expiring=none) %}
{%- set judged = relation -%}
{%- if expiring in setting('retention') -%}
{%- set relation = 'retained_rows' -%}
dated_rows as {{ not_materialized() }} (
    select
        *,
        {{ is_expired(expiring, expiring_tables()[expiring] ~ '_on', ref('int_staging__retention')) | indent(8) }} as is_expired
    from {{ judged }}
),

{{ relation }} as {{ not_materialized() }} (
    select *
    from dated_rows
    where not is_expired
),

{% endif -%}
{%- set columns = key + content + uncompared -%}
{%- set key_hash = quick_hash(key) -%}
{%- set newest_first = loaded_at or 'cast(null as timestamp)' -%}
repeated_keys as (
    {% if keys_in -%}
    select key_hash
    from {{ keys_in }}
    group by key_hash
    {%- else -%}
    select {{ key_hash }} as key_hash
    from {{ relation }}
    where failed_rule is null
    group by {{ key_hash }}
    {%- endif %}
    having count(*) > 1
),

repeats as (
    select
        {{ relation }}.*,
        {{ (hashed_id(content) if content else "''") | indent(8) }} as content_id
    from {{ relation }}
    inner join repeated_keys on {{ key_hash }} = repeated_keys.key_hash
    where {{ relation }}.failed_rule is null
),

compared_repeats as (
    select
        *,
        min(content_id) over same_key <> max(content_id) over same_key as differs,
        count(*) over same_key > count({{ newest_first }}) over same_key as lacks_loaded_at,
        {{ newest_first }} = max({{ newest_first }}) over same_key
        and min(content_id) over same_load <> max(content_id) over same_load as is_newest_and_differs
    from repeats
    window
        same_key as (partition by {{ key | join(', ') }}),
        same_load as (partition by {{ key | join(', ') }}, {{ newest_first }})
),

ordered_repeats as (
    select
        *,
        differs and (lacks_loaded_at or max(is_newest_and_differs) over same_key) as is_conflict,
        {% if loaded_at -%}
            min({{ loaded_at }}) over same_key as first_loaded_at,
        {% endif -%}
        row_number() over (
            partition by {{ key | join(', ') }} order by {{ ([newest_first ~ ' desc nulls last', 'content_id'] + uncompared) | join(', ') }}
        ) as position
    from compared_repeats
    window same_key as (partition by {{ key | join(', ') }})
),

fates as (
    select
        {%- for column in columns %}
        {{ relation }}.{{ column }},
        {%- endfor %}
        {%- if loaded_at %}
        {{ relation }}.{{ loaded_at }} as first_loaded_at,
        {%- endif %}
        {{ relation }}.failed_rule,
        {% if offending_columns -%}
        case {{ relation }}.failed_rule
            {%- for rule, column in offending_columns.items() %}
            when '{{ rule }}' then {{ masked(relation ~ '.' ~ column) }}
            {%- endfor %}
        end as masked_value,
        {% else -%}
        cast(null as {{ dbt.type_string() }}) as masked_value,
        {% endif -%}
        case when {{ relation }}.failed_rule is null then 'loaded' else 'quarantined' end as fate
    from {{ relation }}
    left join repeated_keys on {{ key_hash }} = repeated_keys.key_hash and {{ relation }}.failed_rule is null
    where repeated_keys.key_hash is null
    union all
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        {%- if loaded_at %}
        first_loaded_at,
        {%- endif %}
        case when is_conflict then 'conflicting_repeat' end as failed_rule,
        cast(null as {{ dbt.type_string() }}) as masked_value,
        case
            when is_conflict then 'quarantined'
            when position = 1 then 'loaded'
            else 'deduplicated'
        end as fate
    from ordered_repeats
    {%- if relation != judged %}
    union all
    select
        {%- for column in columns + (['first_loaded_at'] if loaded_at else []) + ['failed_rule', 'masked_value'] %}
        null as {{ column }},
        {%- endfor %}
        'expired' as fate
    from dated_rows
    where is_expired
    {%- endif %}
)
{% endmacro %}


{% macro unusable_fields(fields, reasons={}) -%}
    nullif(concat_ws(
        ','
        {%- for field, raw_field in fields.items() %},
        case when {{ raw_field }} is not null and {{ field }} is null and {{ to_text(raw_field) }} is not null then '{{ field }}' end
        {%- endfor %}
        {%- for reason, condition in reasons.items() %},
        case when {{ condition }} then '{{ reason }}' end
        {%- endfor %}
    ), '')
{%- endmacro %}


{% macro masked(expression) %}
    {{- return(adapter.dispatch('masked', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro duckdb__masked(expression) -%}
    regexp_replace(
        regexp_replace(
            regexp_replace(left(trim(cast({{ expression }} as varchar)), 20), '\p{L}', 'x', 'g'), '\p{N}', '9', 'g'
        ),
        '[^ -~]', '?', 'g'
    )
{%- endmacro %}

{% macro spark__masked(expression) -%}
    {%- set start = 'left(' ~ regex_replace('cast(' ~ expression ~ ' as string)', '^\\p{Zs}+|\\p{Zs}+$', '') ~ ', 20)' -%}
    {{ regex_replace(regex_replace(regex_replace(start, '\\p{L}', 'x'), '\\p{N}', '9'), '[^ -~]', '?') }}
{%- endmacro %}
