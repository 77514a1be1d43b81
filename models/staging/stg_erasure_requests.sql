with source as (
    select * from {{ ref('base_erasure_requests') }}
),

loaded as (
    select
        -- ids
        source_system,
        customer_ref,

        -- dates
        requested_at
    from source
    where fate = 'loaded'
)

select * from loaded
