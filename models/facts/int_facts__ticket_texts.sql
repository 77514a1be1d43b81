-- One row per ticket of an eligible customer that has a text. Restricted: these are the customers' own words.

with tickets as (
    select * from {{ ref('stg_tickets') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

texts as (
    select
        {{ compact_key(hashed_id(['tickets.source_system', 'tickets.ticket_id'])) }} as ticket_key,
        customer_references.customer_key,
        tickets.opened_on as day,
        {{ hashed_text('tickets.body') }} as text_key,
        tickets.body as text
    from tickets
    inner join customer_references
        on
            tickets.source_system = customer_references.source_system
            and tickets.customer_ref = customer_references.customer_ref
    where tickets.opened_on is not null and tickets.body is not null
)

select * from texts
