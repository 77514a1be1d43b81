-- One row per source record that is still to be known: CRM records, and references seen only in orders or events,
-- which are records too. Until records are linked, each reference is its own customer.
--
-- Erasure comes first: a reference that asked to be forgotten is in no table from here on.

with crm_records as (
    select * from {{ ref('stg_customers') }}
),

orders as (
    select * from {{ ref('stg_orders') }}
),

events as (
    select * from {{ ref('stg_events') }}
),

erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

seen_references as (
    select
        source_system,
        customer_ref
    from orders
    where customer_ref is not null
    union distinct
    select
        source_system,
        customer_ref
    from events
    where customer_ref is not null
),

-- What orders call a customer is the record's customer_ref; where it is a record_id instead, it means that record.
known_references as (
    select
        source_system,
        customer_ref
    from crm_records
    union distinct
    select
        source_system,
        record_id as customer_ref
    from crm_records
),

records as (
    select
        source_system,
        record_id,
        customer_ref,
        least(first_loaded_at, created_at) as first_recorded_at,
        true as is_in_crm
    from crm_records
    union all
    select
        seen_references.source_system,
        seen_references.customer_ref as record_id,
        seen_references.customer_ref,
        null as first_recorded_at,
        false as is_in_crm
    from seen_references
    left join known_references
        on
            seen_references.source_system = known_references.source_system
            and seen_references.customer_ref = known_references.customer_ref
    where known_references.customer_ref is null
),

-- A request names a customer_ref, or else the id of a record; the person behind it is forgotten with all records.
erased_references as (
    select
        by_reference.source_system,
        by_reference.customer_ref
    from erasure_requests
    inner join records as by_reference
        on
            erasure_requests.source_system = by_reference.source_system
            and erasure_requests.customer_ref = by_reference.customer_ref
    union distinct
    select
        by_record.source_system,
        by_record.customer_ref
    from erasure_requests
    inner join records as by_record
        on
            erasure_requests.source_system = by_record.source_system
            and erasure_requests.customer_ref = by_record.record_id
    left join records as by_reference
        on
            erasure_requests.source_system = by_reference.source_system
            and erasure_requests.customer_ref = by_reference.customer_ref
    where by_reference.customer_ref is null
),

remembered_records as (
    select records.*
    from records
    left join erased_references
        on
            records.source_system = erased_references.source_system
            and records.customer_ref = erased_references.customer_ref
    where erased_references.customer_ref is null
),

-- The id is that of the person's first record, so that it stays when more records come.
first_records as (
    select
        source_system,
        customer_ref,
        record_id,
        row_number() over (
            partition by source_system, customer_ref
            order by first_recorded_at nulls last, record_id
        ) as position
    from remembered_records
),

customer_ids as (
    select
        source_system,
        customer_ref,
        {{ hashed_id(['source_system', 'record_id']) | indent(8) }} as customer_id
    from first_records
    where position = 1
),

identified_records as (
    select
        records.source_system,
        records.record_id,
        records.customer_ref,
        customer_ids.customer_id,
        {{ compact_key('customer_ids.customer_id') }} as customer_key,
        records.first_recorded_at,
        records.is_in_crm
    from remembered_records as records
    inner join customer_ids
        on
            records.source_system = customer_ids.source_system
            and records.customer_ref = customer_ids.customer_ref
)

select * from identified_records
