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

activity as (
    select
        source_system,
        customer_ref,
        min(ordered_at) as first_active_at
    from orders
    where customer_ref is not null
    group by source_system, customer_ref
    union all
    select
        source_system,
        customer_ref,
        min(occurred_at) as first_active_at
    from events
    where customer_ref is not null
    group by source_system, customer_ref
),

seen_references as (
    select
        source_system,
        customer_ref,
        min(first_active_at) as first_active_at
    from activity
    group by source_system, customer_ref
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
        created_at,
        true as is_in_crm
    from crm_records
    union all
    select
        seen_references.source_system,
        seen_references.customer_ref as record_id,
        seen_references.customer_ref,
        null as first_recorded_at,
        null as created_at,
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

-- The id is that of the person's first record, so that it stays when more records come. A reference that was active
-- before the CRM had a record was a record then, and still gives the id.
dated_records as (
    select
        source_system,
        customer_ref,
        record_id,
        first_recorded_at as known_since
    from remembered_records
    union all
    select
        remembered_records.source_system,
        remembered_records.customer_ref,
        remembered_records.customer_ref as record_id,
        seen_references.first_active_at as known_since
    from remembered_records
    inner join seen_references
        on
            remembered_records.source_system = seen_references.source_system
            and remembered_records.customer_ref = seen_references.customer_ref
    left join crm_records
        on
            remembered_records.source_system = crm_records.source_system
            and remembered_records.customer_ref = crm_records.record_id
            and remembered_records.customer_ref <> crm_records.customer_ref
    -- what is the id of somebody else's record can't be an id here
    where crm_records.record_id is null
),

first_records as (
    select
        source_system,
        customer_ref,
        record_id,
        row_number() over (
            partition by source_system, customer_ref
            order by known_since nulls last, record_id
        ) as position
    from dated_records
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
        records.created_at,
        records.is_in_crm
    from remembered_records as records
    inner join customer_ids
        on
            records.source_system = customer_ids.source_system
            and records.customer_ref = customer_ids.customer_ref
)

select * from identified_records
