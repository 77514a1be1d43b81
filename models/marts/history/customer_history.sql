{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='append_new_columns'
) }}

-- depends_on: {{ ref('int_periods') }}

with customers as (
    select * from {{ ref('int_segmentation__customers_predicted') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        customers.as_of,

        -- core features
        cast(customers.recency_days__all as integer) as recency_days,
        customers.orders__all as frequency,
        customers.revenue__all as monetary,

        -- scores
        customers.recency_score,
        customers.frequency_score,
        customers.monetary_score,

        -- exclusive schemes
        customers.rfm as rfm_segment,
        {{ promised_scheme('value_tier') }} as value_tier,
        {{ promised_scheme('lifecycle') }} as lifecycle,
        customers.cluster as cluster_key,
        customers.journeys as journey_key,

        -- predictions
        {%- for name in ['lapses', 'buys_again', 'becomes_high_value', 'responds'] %}
        {{ 'customers.' if name in predictions() else 'cast(null as double) as ' }}probability_of_{{ name }},
        {%- endfor %}

        -- flags
        customers.is_buyer
    from customers
)

select * from final
