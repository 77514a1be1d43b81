-- One row per reference that orders, events and consents use for a customer, with the customer it belongs to.
--
-- A record's customer_ref takes precedence. A reference that is no record's customer_ref but matches a record id means that
-- record: some shops use the CRM's ids. If a manual decision splits two records with the same customer_ref, the reference
-- stays with the first record. The e-mail address of one person means that person in every system, also where no order has
-- it: a newsletter knows who withdrew by the address alone.

with records as (
    select * from {{ ref('int_identity__records') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

email_references as (
    select * from {{ ref('int_staging__email_references') }}
),

people_by_email as (
    select
        identifiers.email_key,
        min(records.customer_key) as customer_key
    from identifiers
    inner join records on identifiers.record_key = records.record_key
    where identifiers.email is not null and identifiers.is_email_of_one
    group by identifiers.email_key
    having count(distinct records.customer_key) = 1
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
    union all
    select
        email_references.source_system,
        email_references.customer_ref,
        people_by_email.customer_key,
        3 as preference,
        null as first_recorded_at,
        null as record_key
    from email_references
    inner join people_by_email on email_references.customer_ref = people_by_email.email_key
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
