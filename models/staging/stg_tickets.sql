{{ config(schema='restricted') }}

with source as (
    select * from {{ ref('base_tickets') }}
),

loaded as (
    select
        -- ids
        ticket_id,
        source_system,
        customer_ref,

        -- dates
        opened_at,
        opened_on,

        -- words
        channel,
        body,

        -- numbers
        rating,

        -- flags
        is_synthetic
    from source
    where fate = 'loaded'
)

select * from loaded
