-- One row per event of an eligible customer, with the columns that event metrics read.

with events as (
    select * from {{ ref('stg_events') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

customers as (
    select * from {{ ref('int_identity__customers') }}
),

customer_events as (
    select
        customers.customer_key,
        events.occurred_on as day,
        events.occurred_at,
        events.event_type,
        events.session_id,
        events.product_id,
        events.source_system,
        events.device,
        events.country
    from events
    inner join customer_references
        on
            events.source_system = customer_references.source_system
            and events.customer_ref = customer_references.customer_ref
    inner join customers on customer_references.customer_key = customers.customer_key
    where not customers.is_excluded
)

select * from customer_events
