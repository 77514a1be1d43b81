-- One row per refit date and sampled ticket: the sample that topics by embeddings are fitted on. sample_hash decides
-- whether a stored fit is reused.

with texts as (
    select * from {{ ref('int_facts__ticket_texts') }}
),

vectors as (
    select * from {{ ref('int_features__text_vectors') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from periods
),

known_tickets as (
    select
        refit_dates.as_of,
        texts.ticket_key,
        texts.customer_key,
        texts.text_key
    from texts
    inner join refit_dates on texts.day < refit_dates.as_of
),

drawn as (
    {{ lowest_keys(
        'known_tickets', setting('topics').sample_tickets, key='customer_key, ticket_key', part='as_of'
    ) | indent(4) }}
),

sample as (
    select
        drawn.as_of,
        drawn.ticket_key,
        vectors.vector,
        {{ sample_hash(['drawn.ticket_key', 'vectors.vector'], 'drawn.as_of') }} as sample_hash
    from drawn
    inner join vectors on drawn.text_key = vectors.text_key
)

select * from sample
