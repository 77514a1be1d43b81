with source as (
    select * from {{ source('input_door', 'live_profiles') }}
),

renamed as (
    select
        customer_id,
        segment_key,
        as_of
    from source
)

select * from renamed
