with source as (
    select * from {{ ref('base_products') }}
),

loaded as (
    select
        -- ids
        product_id,

        -- words
        name,
        category,
        subcategory,
        brand,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
