-- Every raw contact of a campaign with a customer, with explicit types and its one fate: loaded, deduplicated or
-- quarantined. Contacts have no id, so exact repeats are deduplicated.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'campaign_contacts') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('campaign_id') }} as campaign_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,

        -- dates
        contacted_at as raw_contacted_at,
        {{ to_instant('contacted_at') }} as contacted_at,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['campaign_id', 'customer_ref']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ local_date('contacted_at') }} as contacted_on,
        {{ unusable_fields({'contacted_at': 'raw_contacted_at'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when campaign_id is null then 'missing_campaign_id'
            when customer_ref is null then 'missing_customer_ref'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['campaign_id', 'source_system', 'customer_ref', 'contacted_at'],
    content=[],
    uncompared=['contacted_on', 'is_synthetic', 'unusable_fields'],
    expiring='campaign_contacts'
) }}

select * from fates
