-- One row per reference that orders and events use for a customer, with the customer it belongs to.

with records as (
    select * from {{ ref('int_identity__records') }}
),

customer_references as (
    select distinct
        source_system,
        customer_ref,
        customer_key
    from records
)

select * from customer_references
