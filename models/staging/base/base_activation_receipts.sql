-- Every raw receipt of a message handed over, with explicit types and its one fate: loaded, deduplicated or quarantined.
-- A change may be delivered more than once; receipts at the same instant are repeats.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'activation_receipts') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('change_id') }} as change_id,

        -- dates
        handed_over_at as raw_handed_over_at,
        {{ to_instant('handed_over_at') }} as handed_over_at,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['change_id']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ local_date('handed_over_at') }} as handed_over_on,
        {{ unusable_fields({'handed_over_at': 'raw_handed_over_at'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when change_id is null then 'missing_change_id'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['change_id', 'handed_over_at'],
    content=[],
    uncompared=['handed_over_on', 'is_synthetic', 'unusable_fields']
) }}

select * from fates
