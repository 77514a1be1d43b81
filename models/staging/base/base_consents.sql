-- Every raw consent statement with explicit types and its one fate: loaded, deduplicated or quarantined.
-- A statement that can't be read is not loaded, and whether the person may be segmented is then decided by what
-- is left; the quarantine and its reject rate make sure that somebody looks.

with source as (
    select * from {{ source('input', 'consents') }}
),

typed as (
    select
        -- ids
        coalesce({{ to_text('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_text('customer_ref')) }} as customer_ref,
        lower({{ to_text('purpose') }}) as purpose,

        -- dates
        {{ to_instant('recorded_at') }} as recorded_at,

        -- flags
        {{ to_boolean('granted') }} as granted,
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic
    from source
),

judged as (
    select
        *,
        case
            when customer_ref is null then 'missing_customer_ref'
            when purpose is null or purpose not in ('segmentation', 'activation') then 'unknown_purpose'
            when granted is null then 'invalid_granted'
            when recorded_at is null then 'impossible_date'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['customer_ref', 'source_system', 'purpose', 'recorded_at', 'granted'],
    content=[],
    uncompared=['is_synthetic']
) }}

select * from fates
