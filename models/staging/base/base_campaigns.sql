-- Every raw campaign with explicit types and its one fate: loaded, deduplicated or quarantined.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'campaigns') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('campaign_id') }} as campaign_id,

        -- words
        {{ to_text('name') }} as name,
        {{ to_text('type') }} as type,

        -- dates
        starts_on as raw_starts_on,
        {{ to_date('starts_on') }} as starts_on,
        ends_on as raw_ends_on,
        {{ to_date('ends_on') }} as ends_on,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['campaign_id']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields(
            {'starts_on': 'raw_starts_on', 'ends_on': 'raw_ends_on'},
            reasons={
                'ambiguous_starts_on': is_ambiguous_date('raw_starts_on'),
                'ambiguous_ends_on': is_ambiguous_date('raw_ends_on')
            }
        ) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when campaign_id is null then 'missing_campaign_id'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['campaign_id'],
    content=['name', 'type', 'starts_on', 'ends_on'],
    uncompared=['is_synthetic', 'unusable_fields']
) }}

select * from fates
