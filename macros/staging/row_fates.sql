{#-
    Gives every row of a relation its one fate: loaded, deduplicated or quarantined. To be used as the last part
    of a base model, after a CTE that has the column `failed_rule` (null where no rule failed).

    Repeats of a key: the same content again is deduplicated. Of different contents the newest loaded_at wins and
    the others are deduplicated; where that can't be told (a loaded_at is missing, or the newest ones differ),
    all of them are quarantined as `conflicting_repeat`.

    key, content and uncompared name all columns: those that identify a row, those in which repeats are compared,
    and the rest. The result, a CTE `fates`, has them, first_loaded_at (of all repeats) where there is a loaded_at,
    failed_rule, masked_value and fate.

    offending_columns maps a rule to the raw column whose value fails it. The value is kept in the quarantine with every letter
    replaced by x and every digit by 9: its form tells what is wrong with it, and nothing about anyone.

    Only repeated keys go through the windows. They are found by a hash of the key, which is cheaper to group by
    than the key itself; two keys with one hash are told apart by the windows. A model that has the hashes already names
    the CTE in keys_in: its column key_hash holds those of all rows where failed_rule is null; a few more do no harm.
-#}
{% macro row_fates(relation, key, content, loaded_at=none, uncompared=[], offending_columns={}, keys_in=none) %}
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
)
{% endmacro %}


{#-
    The names of optional fields that had a value which can't be used, comma separated; null when there are none. Blanks
    are no value. Reasons that hold, such as ambiguous_birth_date, are named beside their field.
-#}
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


{#- The form of a raw value: x for a letter, 9 for a digit, ? for what is neither those nor plain signs; at most 20 of them. -#}
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
