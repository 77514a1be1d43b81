-- One row per as_of and eligible customer: the wide table with probability, decile and rank of each prediction. Null for
-- customers who are not asked about, and for predictions without a model.

{{ config(materialized='view') }}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

scores as (
    select * from {{ ref('int_segmentation__prediction_scores') }}
),

predicted as (
    select
        {%- for name in predictions() %}
        {%- for value, column in prediction_columns(name).items() %}
        max(case when target = '{{ name }}' then {{ value }} end) as {{ column }},
        {%- endfor %}
        {%- endfor %}
        as_of,
        customer_key
    from scores
    group by as_of, customer_key
),

with_predictions as (
    select
        {%- for name in predictions() %}
        {%- for column in prediction_columns(name).values() %}
        predicted.{{ column }},
        {%- endfor %}
        {%- endfor %}
        customers.*
    from customers
    left join predicted
        on
            customers.as_of = predicted.as_of
            and customers.customer_key = predicted.customer_key
)

select * from with_predictions  -- noqa: AM04
