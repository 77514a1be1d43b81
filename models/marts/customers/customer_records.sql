with records as (
    select * from {{ ref('int_identity__records') }}
),

final as (
    select
        source_system,
        record_id,
        customer_ref,
        customer_id,
        is_in_crm
    from records
)

select * from final
