with records as (
    select * from {{ ref('int_identity__records') }}
),

customers as (
    select * from {{ ref('customers') }}
),

final as (
    select
        records.source_system,
        records.record_id,
        records.customer_ref,
        records.customer_id,
        records.is_in_crm
    from records
    inner join customers on records.customer_id = customers.customer_id
)

select * from final
