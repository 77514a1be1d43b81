-- Every raw ticket, review, survey answer or social post with explicit types and its one fate: loaded, deduplicated or
-- quarantined. The text may hold anything about anyone, so it stays in the restricted schema.

with source as {{ not_materialized() }} (
    select * from {{ source('input', 'tickets') }}
),

typed as {{ not_materialized() }} (
    select
        -- ids
        {{ to_key('ticket_id') }} as ticket_id,
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,

        -- dates
        opened_at as raw_opened_at,
        {{ to_instant('opened_at') }} as opened_at,

        -- words
        channel as raw_channel,
        lower({{ to_text('channel') }}) as channel_word,
        {{ to_text('body') }} as body,

        -- numbers
        rating as raw_rating,
        {{ try_cast('rating', 'decimal(18, 2)') }} as rating,

        -- flags
        coalesce({{ to_boolean('is_synthetic') }}, false) as is_synthetic,
        {{ has_inexact_key(['ticket_id', 'customer_ref']) }} as has_inexact_key
    from source
),

known as {{ not_materialized() }} (
    select
        *,
        {{ local_date('opened_at') }} as opened_on,
        case when channel_word in ('support', 'review', 'survey', 'social') then channel_word end as channel
    from typed
),

judged as {{ not_materialized() }} (
    select
        *,
        {{ unusable_fields({
            'opened_at': 'raw_opened_at',
            'channel': 'raw_channel',
            'rating': 'raw_rating'
        }) }} as unusable_fields,
        case
            when has_inexact_key then 'inexact_key'
            when ticket_id is null then 'missing_ticket_id'
        end as failed_rule
    from known
),

{{ row_fates(
    'judged',
    key=['ticket_id', 'source_system'],
    content=['customer_ref', 'opened_at', 'channel', 'body', 'rating'],
    uncompared=['opened_on', 'is_synthetic', 'unusable_fields'],
    expiring='tickets'
) }}

select * from fates
