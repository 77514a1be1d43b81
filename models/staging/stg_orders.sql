with source as (
    select * from {{ ref('base_orders') }}
),

loaded as (
    select
        -- ids
        order_id,
        source_system,
        customer_ref,
        campaign_id,

        -- dates
        ordered_at,
        ordered_on,
        loaded_at,

        -- money
        amount,
        currency,

        -- words
        status,
        channel,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
