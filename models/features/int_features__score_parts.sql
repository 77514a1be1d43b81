-- One row per as_of, customer, score and part that can be told: how a score comes about. A view: it is read for a few
-- customers, and the wide table keeps the values.

{{ config(materialized='view') }}

with features as (
    select * from {{ ref('int_features__customers') }}
),

parts as (
    {% for part in score_parts() if part.weight > 0 -%}
    select
        as_of,
        customer_key,
        '{{ part.score }}' as score,
        '{{ part.part }}' as part,
        {{ part.weight }} as weight,
        {{ part.column }} as value
    from features
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

weighed as (
    select
        as_of,
        customer_key,
        score,
        part,
        value,
        weight / cast(sum(weight) over (partition by as_of, customer_key, score) as double) as weight
    from parts
    where value is not null
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
