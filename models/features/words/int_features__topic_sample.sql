-- One row per refit date, sampled ticket and term: the sample that topics are fitted on, without positive and
-- negative words. sample_hash decides whether a stored fit is reused.

with terms as (
    select * from {{ ref('int_facts__ticket_terms') }}
    where kind is null
),

drawn as (
    {{ sampled_tickets('terms') | indent(4) }}
),

sample as (
    select
        as_of,
        ticket_key,
        customer_key,
        term,
        occurrences,
        {{ sample_hash(['ticket_key', 'customer_key', 'term', 'occurrences'], 'as_of') }} as sample_hash
    from drawn
)

select * from sample
