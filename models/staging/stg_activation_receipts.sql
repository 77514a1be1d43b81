with source as (
    select * from {{ ref('base_activation_receipts') }}
),

loaded as (
    select
        -- ids
        change_id,

        -- dates
        handed_over_at,
        handed_over_on,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
