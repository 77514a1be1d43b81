-- Every raw response to a campaign with explicit types and its one fate: loaded, deduplicated or quarantined.
--
-- Responses have no id, so exact repeats are deduplicated, even two coupons redeemed on the same day if only the day is
-- known.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'campaign_responses') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('campaign_id') }} as campaign_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        lower({{ to_text('response_type') }}) as response_type,

        -- dates
        responded_at as raw_responded_at,
        {{ to_instant('responded_at') }} as responded_at,

        -- numbers
        amount as raw_amount,
        {{ to_money('amount') }} as amount,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['campaign_id', 'customer_ref']) }} as has_inexact_key
    from source
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ local_date('responded_at') }} as responded_on,
        {{ unusable_fields({
            'responded_at': 'raw_responded_at',
            'amount': 'raw_amount'
        }) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when campaign_id is null then 'missing_campaign_id'
            when customer_ref is null then 'missing_customer_ref'
            when response_type is null then 'missing_response_type'
        end as failed_rule
    from typed
),

{{ row_fates(
    'judged',
    key=['campaign_id', 'source_system', 'customer_ref', 'response_type', 'responded_at', 'amount'],
    content=[],
    uncompared=['responded_on', 'is_synthetic', 'unusable_fields'],
    expiring='campaign_responses'
) }}

select * from fates
