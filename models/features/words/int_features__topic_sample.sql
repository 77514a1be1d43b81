-- One row per refit date, sampled ticket and term: what topics are fitted on. Words of praise and complaint are no topics.
-- sample_hash says whether a stored fit may be used again.
--
-- Keys are hashes, so the customers with the lowest are a random sample, and the same one in every build.

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

numbered as (
    select
        refit_dates.as_of,
        terms.ticket_key,
        terms.customer_key,
        terms.term,
        terms.occurrences,
        dense_rank() over (
            partition by refit_dates.as_of order by terms.customer_key, terms.ticket_key
        ) as position
    from terms
    inner join refit_dates on terms.day < refit_dates.as_of
),

sample as (
    select
        as_of,
        ticket_key,
        customer_key,
        term,
        occurrences,
        {{ sample_hash(['ticket_key', 'customer_key', 'term', 'occurrences'], 'as_of') }} as sample_hash
    from numbered
    where position <= {{ topic_settings().sample_tickets }}
)

select * from sample
