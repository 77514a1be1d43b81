-- A view, in the published file too: it has twelve rows per customer, and few are read. The same macro computes the scores
-- and, again here, their parts.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

{% set parts = score_parts() -%}

with customers as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

current_customers as (
    select customers.*
    from customers
    inner join periods on customers.as_of = periods.as_of
    where periods.is_current
),

valued as (
    select
        {%- for part in parts %}
        {{ part.value }} as {{ part.column }},
        {%- endfor %}
        customer_id,
        as_of
    from current_customers
),

part_values as (
    {% for part in parts -%}
    select
        customer_id,
        as_of,
        '{{ part.score }}' as score,
        '{{ part.part }}' as part,
        {{ part.column }} as value,
        cast({{ 'null' if part.weight is none else part.weight }} as double) as weight
    from valued
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

weighed as (
    select
        *,
        sum(case when value is not null then weight end) over (partition by customer_id, score) as known_weight
    from part_values
),

final as (
    select
        -- ids
        customer_id,
        as_of,
        score,
        part,

        -- numbers
        value,
        weight,
        case
            when weight is null then value
            else {{ rounded('weight * value / nullif(known_weight, 0)') }}
        end as contribution
    from weighed
)

select * from final
