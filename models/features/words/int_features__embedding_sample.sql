-- One row per refit date and sampled ticket: the sample that topics by embeddings are fitted on. sample_hash decides
-- whether a stored fit is reused.

with texts as (
    select * from {{ ref('int_facts__ticket_texts') }}
),

vectors as (
    select * from {{ ref('int_features__text_vectors') }}
),

drawn as (
    {{ sampled_tickets('texts') | indent(4) }}
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
