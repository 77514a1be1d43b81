with source as (
    select * from {{ ref('base_campaigns') }}
),

loaded as (
    select
        -- ids
        campaign_id,

        -- words
        name,
        type,

        -- dates
        starts_on,
        ends_on,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
