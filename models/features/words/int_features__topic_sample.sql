-- One row per refit date, sampled ticket and term: the sample that topics are fitted on, without positive and
-- negative words. sample_hash decides whether a stored fit is reused.

with terms as (
    select * from {{ ref('int_facts__ticket_terms') }}
    where kind is null
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from periods
),

known_terms as (
    select
        refit_dates.as_of,
        terms.ticket_key,
        terms.customer_key,
        terms.term,
        terms.occurrences
    from terms
    inner join refit_dates on terms.day < refit_dates.as_of
),

drawn as (
    {{ lowest_keys(
        'known_terms', setting('topics').sample_tickets, key='customer_key, ticket_key', part='as_of'
    ) | indent(4) }}
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
