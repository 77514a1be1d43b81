-- Every raw assignment of a customer to a variant, with explicit types and its one fate: loaded, deduplicated or
-- quarantined. A customer in two variants of one experiment was measured under both: neither assignment can be used.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'experiment_assignments') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('experiment_id') }} as experiment_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        {{ to_text('variant') }} as variant,

        -- dates
        assigned_at as raw_assigned_at,
        {{ to_instant('assigned_at') }} as assigned_at,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['experiment_id', 'customer_ref']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ local_date('assigned_at') }} as assigned_on,
        {{ unusable_fields({'assigned_at': 'raw_assigned_at'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when experiment_id is null then 'missing_experiment_id'
            when customer_ref is null then 'missing_customer_ref'
            when variant is null then 'missing_variant'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['experiment_id', 'source_system', 'customer_ref'],
    content=['variant', 'assigned_at'],
    uncompared=['assigned_on', 'is_synthetic', 'unusable_fields']
) }}

select * from fates
