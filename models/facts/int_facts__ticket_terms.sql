-- One row per ticket of an eligible customer and word in it, without stop words. Restricted: these are the customers' own
-- words.
--
-- Tokens with a digit, an @, a slash or an inner dot are dropped, which removes addresses and numbers as a whole. So are the
-- customer's names, which close many messages.

with tickets as (
    select * from {{ ref('stg_tickets') }}
),

customer_references as (
    {{ eligible_references() | indent(4) }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

ticket_words as (
    select * from {{ ref('ticket_words') }}
),

words as (
    select
        {{ compact_key(hashed_id(['tickets.source_system', 'tickets.ticket_id'])) }} as ticket_key,
        customer_references.customer_key,
        tickets.opened_on as day,
        {{ words_of('tickets.body') }} as term
    from tickets
    inner join customer_references
        on
            tickets.source_system = customer_references.source_system
            and tickets.customer_ref = customer_references.customer_ref
    where tickets.opened_on is not null
),

names as (
    select
        records.customer_key,
        {{ words_of("coalesce(identifiers.given_name, '') || ' ' || coalesce(identifiers.family_name, '')") }} as term
    from records
    inner join identifiers on records.record_key = identifiers.record_key
),

terms as (
    select
        words.ticket_key,
        words.customer_key,
        words.day,
        words.term,
        ticket_words.kind,
        count(*) as occurrences
    from words
    left join ticket_words on words.term = ticket_words.word
    where
        coalesce(ticket_words.kind, '') <> 'stop'
        and not exists (
            select 1
            from names
            where names.customer_key = words.customer_key and names.term = words.term
        )
    group by words.ticket_key, words.customer_key, words.day, words.term, ticket_words.kind
)

select * from terms
