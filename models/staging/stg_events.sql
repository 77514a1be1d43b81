{{ config(schema='restricted') }}

with source as (
    select * from {{ ref('base_events') }}
),

loaded as (
    select
        -- ids
        event_id,
        source_system,
        anonymous_id,
        customer_ref,
        session_id,
        product_id,
        campaign_id,

        -- dates
        occurred_at,
        occurred_on,
        loaded_at,

        -- words
        event_type,
        page,
        device,
        country,
        referrer,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
