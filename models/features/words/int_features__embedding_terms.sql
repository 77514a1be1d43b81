-- What topics by embeddings are about: one row per refit date, topic and term, in the form of int_features__topic_fit. A term
-- weighs in a topic what class-based TF-IDF gives it (Grootendorst 2022): its occurrences in the tickets of the topic, by their
-- shares, times ln(1 + words of an average topic / occurrences of the term). The squares of a topic's weights add up to 1.

{% set columns = topic_columns() -%}
{% set topics = setting('topics') -%}

with sample as (
    select * from {{ ref('int_features__topic_sample') }}
),

shares as (
    select * from {{ ref('int_features__topics_by_embeddings') }}
),

fit as (
    select * from {{ ref('int_features__embedding_fit') }}
),

sizes as (
    select
        as_of,
        count(distinct ticket_key) as tickets
    from sample
    group by as_of
),

terms as (
    select
        sample.as_of,
        sample.term,
        count(distinct sample.customer_key) as customers,
        count(distinct sample.ticket_key) as tickets,
        {%- for column in columns %}
        sum(sample.occurrences * shares.{{ column }}) as {{ column }},
        {%- endfor %}
        sum(sample.occurrences) as occurrences
    from sample
    inner join shares
        on
            sample.as_of = shares.fitted_as_of
            and sample.ticket_key = shares.ticket_key
    group by sample.as_of, sample.term
),

ranked as (
    select
        terms.*,
        row_number() over (partition by terms.as_of order by terms.customers desc, terms.term asc) as place
    from terms
    inner join sizes on terms.as_of = sizes.as_of
    where
        terms.customers >= {{ topics.min_customers }}
        and terms.tickets <= {{ topics.max_ticket_share }} * sizes.tickets
),

vocabulary as (
    select
        *,
        ln(1 + sum(occurrences) over (partition by as_of) / cast({{ topics.count }} * occurrences as double)) as rarity
    from ranked
    where place <= {{ topics.max_terms }}
),

weights as (
    {% for column in columns -%}
    select
        as_of,
        {{ loop.index }} as number,
        term as feature,
        {{ column }} * rarity as value
    from vocabulary
    where {{ column }} > 0
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        as_of,
        'weight' as part,
        number,
        feature,
        round(value / sqrt(sum(power(value, 2)) over (partition by as_of, number)), 6) as value
    from weights
    union all
    select
        as_of,
        part,
        number,
        feature,
        value
    from fit
    where part = 'likeness'
)

select * from final
