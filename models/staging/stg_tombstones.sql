with source as (
    select * from {{ source('input_door', 'tombstones') }}
),

renamed as (
    select
        reference,
        customer_id,
        erased_on
    from source
)

select * from renamed
