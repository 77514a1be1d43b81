with source as (
    select * from {{ ref('base_campaign_responses') }}
),

loaded as (
    select
        -- ids
        campaign_id,
        source_system,
        customer_ref,
        response_type,

        -- dates
        responded_at,
        responded_on,

        -- numbers
        amount,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
