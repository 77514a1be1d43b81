-- Every raw outcome of an experiment with explicit types and its one fate: loaded, deduplicated or quarantined.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'experiment_outcomes') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('experiment_id') }} as experiment_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        {{ to_text('metric') }} as metric,

        -- dates
        measured_at as raw_measured_at,
        {{ to_instant('measured_at') }} as measured_at,

        -- numbers
        value as raw_value,
        {{ to_number('value') }} as value,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['experiment_id', 'customer_ref']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ local_date('measured_at') }} as measured_on,
        {{ unusable_fields({'measured_at': 'raw_measured_at', 'value': 'raw_value'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when experiment_id is null then 'missing_experiment_id'
            when customer_ref is null then 'missing_customer_ref'
            when metric is null then 'missing_metric'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['experiment_id', 'source_system', 'customer_ref', 'metric'],
    content=['value', 'measured_at'],
    uncompared=['measured_on', 'is_synthetic', 'unusable_fields']
) }}

select * from fates
