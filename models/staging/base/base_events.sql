-- Every raw web or app event with explicit types and its one fate: loaded, deduplicated or quarantined.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'events') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('event_id') }} as event_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ to_key('anonymous_id') }} as anonymous_id,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,
        {{ to_key('session_id') }} as session_id,
        {{ to_key('product_id') }} as product_id,
        {{ to_key('campaign_id') }} as campaign_id,

        -- dates
        occurred_at as raw_occurred_at,
        {{ to_instant('occurred_at') }} as occurred_at,
        loaded_at as raw_loaded_at,
        {{ plausible_instant(to_instant('loaded_at')) }} as loaded_at,

        -- numbers
        sequence as raw_sequence,
        {{ try_cast('sequence', 'bigint') }} as sequence,

        -- words
        lower({{ to_text('event_type') }}) as event_type,
        {{ to_text('page') }} as page,
        {{ to_text('device') }} as device,
        {{ to_text('country') }} as country,
        {{ to_text('referrer') }} as referrer,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key([
            'event_id', 'anonymous_id', 'customer_ref', 'session_id', 'product_id', 'campaign_id'
        ]) }} as has_inexact_key
    from source
),

dated as {{ not_materialized() }} (
    select
        *,
        {{ local_date('occurred_at') }} as occurred_on
    from typed
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({'loaded_at': 'raw_loaded_at', 'sequence': 'raw_sequence'}) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when event_id is null then 'missing_event_id'
            when event_type is null then 'missing_event_type'
            when raw_occurred_at is null then 'missing_occurred_at'
            when occurred_at is null then 'impossible_date'
            when occurred_on < {{ plausible_date_limit('earliest_plausible_date') }} then 'implausible_date'
        end as failed_rule
    from dated
),

{{ row_fates(
    'judged',
    key=['event_id', 'source_system'],
    content=[
        'anonymous_id', 'customer_ref', 'session_id', 'product_id', 'campaign_id', 'occurred_at', 'event_type',
        'page', 'device', 'country', 'referrer'
    ],
    loaded_at='loaded_at',
    uncompared=['loaded_at', 'sequence', 'occurred_on', 'is_synthetic', 'unusable_fields'],
    offending_columns={'impossible_date': 'raw_occurred_at', 'implausible_date': 'raw_occurred_at'},
    expiring='events'
) }}

select * from fates
