-- One row per reference that orders, events and consents use for a customer, with the customer it belongs to.
--
-- A record's customer_ref takes precedence. A reference that is no record's customer_ref but matches a record id means that
-- record: some shops use the CRM's ids. If a manual decision splits two records with the same customer_ref, the reference
-- stays with the first record.

with records as (
    select * from {{ ref('int_identity__records') }}
),

possible_references as (
    select
        source_system,
        customer_ref,
        customer_key,
        1 as preference,
        first_recorded_at,
        record_key
    from records
    union all
    select
        source_system,
        record_id as customer_ref,
        customer_key,
        2 as preference,
        first_recorded_at,
        record_key
    from records
),

ranked as (
    select
        source_system,
        customer_ref,
        customer_key,
        row_number() over (
            partition by source_system, customer_ref
            order by preference, first_recorded_at nulls last, record_key
        ) as position
    from possible_references
),

customer_references as (
    select
        source_system,
        customer_ref,
        customer_key
    from ranked
    where position = 1
)

select * from customer_references
