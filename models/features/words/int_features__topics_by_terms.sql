-- One row per refit date and ticket that the topics fitted then say something about, with its share of each topic.
--
-- A ticket's coordinate on a topic is the sum of its terms' counts times their idf times their weights in the topic. Its
-- share is the square of it over the sum of the squares: topics stand at right angles, so these add up to 1. Where that sum
-- is less than a hundredth of the ticket's own length squared, the topics say nothing about it. Shares are decimals, so that
-- their means have the same last bits in every build.

{{ config(materialized='view') }}
{% set columns = topic_columns() -%}

with terms as (
    select * from {{ ref('int_facts__ticket_terms') }}
),

fit as (
    select * from {{ ref('int_features__topic_fit') }}
),

term_weights as (
    select
        as_of as fitted_as_of,
        feature as term,
        {%- for column in columns %}
        max(case when part = 'weight' and number = {{ loop.index }} then value end) as {{ column }},
        {%- endfor %}
        max(case when part = 'idf' then value end) as idf
    from fit
    where part in ('idf', 'weight')
    group by as_of, feature
),

coordinates as (
    select
        term_weights.fitted_as_of,
        terms.ticket_key,
        {%- for column in columns %}
        coalesce(sum(terms.occurrences * term_weights.idf * term_weights.{{ column }}), 0) as {{ column }},
        {%- endfor %}
        sum(power(terms.occurrences * term_weights.idf, 2)) as squared_length
    from terms
    inner join term_weights on terms.term = term_weights.term
    group by term_weights.fitted_as_of, terms.ticket_key
),

explained as (
    select
        *,
        0
        {%- for column in columns %}
        + power({{ column }}, 2)
        {%- endfor %} as explained_length
    from coordinates
),

shares as (
    select
        fitted_as_of,
        {%- for column in columns %}
        cast(power({{ column }}, 2) / explained_length as decimal(9, 6)) as {{ column }},
        {%- endfor %}
        ticket_key
    from explained
    where explained_length >= 0.01 * squared_length
)

select * from shares
