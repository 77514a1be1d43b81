with source as (
    select * from {{ ref('base_campaign_contacts') }}
),

loaded as (
    select
        -- ids
        campaign_id,
        source_system,
        customer_ref,

        -- dates
        contacted_at,
        contacted_on,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
