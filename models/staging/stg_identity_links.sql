with source as (
    select * from {{ ref('base_identity_links') }}
),

loaded as (
    select
        -- ids
        source_system,
        customer_ref,
        anonymous_id,
        device_id,

        -- dates
        seen_at,
        seen_on,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
