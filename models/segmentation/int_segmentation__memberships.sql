-- One row per as_of, eligible customer and segment the customer is in, over all schemes.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

-- depends_on: {{ ref('int_periods') }}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
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
    {%- if scheme in partial_schemes() %}
    where {{ scheme }} is not null
    {%- endif %}
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
