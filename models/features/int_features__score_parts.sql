-- One row per as_of, customer, score and part that can be told: how a score comes about. A view: it is read for a few
-- customers, and the wide table keeps the values.

{{ config(materialized='view') }}

{% set all_parts = score_parts() -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

weighed as (
    {% for part in all_parts if part.weight > 0 -%}
    select
        as_of,
        customer_key,
        '{{ part.score }}' as score,
        '{{ part.part }}' as part,
        {{ part.column }} as value,
        {{ part.weight }} / cast({{ known_weight(part.score, all_parts) }} as double) as weight
    from features
    where {{ part.column }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

score_parts as (
    select
        as_of,
        customer_key,
        score,
        part,
        value,
        {{ rounded('weight') }} as weight,
        {{ rounded('value * weight') }} as contribution
    from weighed
)

select * from score_parts
