with source as (
    select * from {{ ref('base_order_lines') }}
),

loaded as (
    select
        -- ids
        order_id,
        source_system,
        line_number,
        product_id,

        -- numbers
        quantity,
        amount,
        discount_amount,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
