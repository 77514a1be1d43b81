-- One row per as_of, eligible customer and segment the customer is in, over all schemes.

with customers as (
    select * from {{ ref('int_segmentation__customers') }}
),

rules as (
    select * from {{ ref('int_segmentation__rules') }}
),

memberships as (
    {% for scheme in exclusive_schemes() -%}
    select
        as_of,
        customer_key,
        '{{ scheme }}' as scheme,
        '{{ scheme }}:' || {{ scheme }} as segment_key
    from customers
    union all
    {% endfor -%}
    select
        as_of,
        customer_key,
        'rule' as scheme,
        segment_key
    from rules
)

select * from memberships
