with source as (
    select * from {{ ref('base_control_totals') }}
),

loaded as (
    select
        -- ids
        source_system,
        table_name,
        day,

        -- numbers
        row_count,
        amount,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
