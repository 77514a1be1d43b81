with source as (
    select * from {{ ref('base_consents') }}
),

loaded as (
    select
        -- ids
        source_system,
        customer_ref,
        purpose,

        -- dates
        recorded_at,

        -- flags
        granted
    from source
    where fate = 'loaded'
)

select * from loaded
