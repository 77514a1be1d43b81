with source as (
    select * from {{ source('input_door', 'rejected_lines') }}
),

renamed as (
    select
        source_table,
        line,
        lower(replace(error, ' ', '_')) as failed_rule
    from source
)

select * from renamed
