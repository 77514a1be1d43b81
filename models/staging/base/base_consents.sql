-- Every raw consent statement with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- Unreadable data must not include a customer. An unreadable statement counts as a withdrawal, and a withdrawal with an
-- unreadable date counts as the latest statement; both are counted as unusable fields.

with source as (
    select * from {{ source('input', 'consents') }}
),

typed as (
    select
        -- ids
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        lower({{ to_text('purpose') }}) as purpose,

        -- dates
        recorded_at as raw_recorded_at,
        {{ to_instant('recorded_at') }} as recorded_at,

        -- flags
        granted as raw_granted,
        {{ to_boolean('granted') }} as readable_granted,
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['customer_ref']) }} as has_inexact_key
    from source
),

judged as (
    select
        *,
        coalesce(readable_granted, false) as granted,
        {{ unusable_fields({'recorded_at': 'raw_recorded_at', 'readable_granted': 'raw_granted'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when customer_ref is null then 'missing_customer_ref'
            when purpose is null or purpose not in ('segmentation', 'activation') then 'unknown_purpose'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['customer_ref', 'source_system', 'purpose', 'recorded_at', 'granted'],
    content=[],
    uncompared=['readable_granted', 'is_synthetic', 'unusable_fields'],
    offending_columns={'unknown_purpose': 'purpose'}
) }}

select * from fates
