-- One row per reference that orders, events and consents use for a customer who may be segmented. A table, because every
-- table of facts is joined with it, and one join of millions of rows is cheaper than two.

with customer_references as (
    select * from {{ ref('int_identity__references') }}
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

eligible_references as (
    select
        customer_references.source_system,
        customer_references.customer_ref,
        customer_references.customer_key
    from customer_references
    inner join customers on customer_references.customer_key = customers.customer_key
    where not customers.is_excluded
)

select * from eligible_references
