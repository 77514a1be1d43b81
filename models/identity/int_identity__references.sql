-- One row per reference that orders, events and consents use for a customer, with the customer it belongs to.
--
-- The customer_ref of a record comes first. A reference that is nobody's customer_ref but some record's id means that
-- record: shops do call their customers by the id of the CRM.

with records as (
    select * from {{ ref('int_identity__records') }}
),

customer_refs as (
    select distinct
        source_system,
        customer_ref,
        customer_key
    from records
),

record_ids as (
    select
        records.source_system,
        records.record_id as customer_ref,
        records.customer_key
    from records
    left join customer_refs
        on
            records.source_system = customer_refs.source_system
            and records.record_id = customer_refs.customer_ref
    where customer_refs.customer_ref is null
),

customer_references as (
    select * from customer_refs
    union all
    select * from record_ids
)

select * from customer_references
