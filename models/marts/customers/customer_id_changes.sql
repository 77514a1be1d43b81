-- The customer of a record as of each date depends only on what was known then, so the log is the same however often and in
-- whatever steps it is built. Only records that were ever linked can change.

with merged as (
    select * from {{ ref('int_identity__merges') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

linked_records as (
    select left_key as record_key
    from merged
    where part = 'member'
    union
    select right_key as record_key
    from merged
    where part = 'member'
),

people as (
    select
        calendar.as_of,
        calendar.previous_as_of,
        records.record_key,
        records.source_system,
        records.record_id,
        records.own_customer_id,
        records.known_since,
        coalesce(merged.right_key, records.record_key) as person_key
    from linked_records
    inner join records on linked_records.record_key = records.record_key
    inner join calendar
        on
            calendar.is_current
            or records.first_recorded_on < calendar.as_of
            or records.first_recorded_on is null
    left join merged
        on
            merged.part = 'member'
            and calendar.as_of = merged.as_of
            and records.record_key = merged.left_key
),

customers as (
    select
        *,
        first_value(own_customer_id) over (
            partition by as_of, person_key
            order by known_since nulls last, source_system, record_id
            rows between unbounded preceding and unbounded following
        ) as customer_id
    from people
),

changes as (
    select
        customers.as_of as changed_on,
        customers.source_system,
        customers.record_id,
        earlier.customer_id as previous_customer_id,
        customers.customer_id
    from customers
    inner join customers as earlier
        on
            customers.record_key = earlier.record_key
            and customers.previous_as_of = earlier.as_of
    where customers.customer_id <> earlier.customer_id
),

-- If the previous id still exists, the record was split off; if not, the id was merged into another.
ids_in_use as (
    select distinct
        as_of,
        customer_id
    from customers
),

final as (
    select
        changes.changed_on,
        changes.source_system,
        changes.record_id,
        changes.previous_customer_id,
        changes.customer_id,
        case when ids_in_use.customer_id is null then 'merged' else 'split' end as change
    from changes
    left join ids_in_use
        on
            changes.changed_on = ids_in_use.as_of
            and changes.previous_customer_id = ids_in_use.customer_id
)

select * from final
