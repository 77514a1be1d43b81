-- Every raw row of identifiers seen together, with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- A link needs any two of the three identifiers; the third may be null. Links have no id, so exact repeats are deduplicated.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'identity_links') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        {{ to_key('anonymous_id') }} as anonymous_id,
        {{ to_key('device_id') }} as device_id,

        -- dates
        seen_at as raw_seen_at,
        {{ to_instant('seen_at') }} as seen_at,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['customer_ref', 'anonymous_id', 'device_id']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({'seen_at': 'raw_seen_at'}) }} as unusable_fields,
        {{ local_date('seen_at') }} as seen_on,
        case
            when has_inexact_key then 'inexact_key'
            when customer_ref is null and (anonymous_id is null or device_id is null) then 'missing_identifier'
            when anonymous_id is null and device_id is null then 'missing_identifier'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['source_system', 'customer_ref', 'anonymous_id', 'device_id', 'seen_at'],
    content=[],
    uncompared=['seen_on', 'is_synthetic', 'unusable_fields'],
    expiring='identity_links'
) }}

select * from fates
