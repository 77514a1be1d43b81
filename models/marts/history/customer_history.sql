{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='append_new_columns'
) }}

-- depends_on: {{ ref('int_periods') }}

with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

final as (
    select
        -- ids
        customer_id,
        as_of,

        -- core features
        cast(recency_days__all as integer) as recency_days,
        orders__all as frequency,
        revenue__all as monetary,

        -- scores
        recency_score,
        frequency_score,
        monetary_score,

        -- exclusive schemes
        rfm as rfm_segment,
        {{ promised_scheme('value_tier') }} as value_tier,
        {{ promised_scheme('lifecycle') }} as lifecycle,
        cluster as cluster_key,
        journeys as journey_key,

        -- flags
        is_buyer
    from customers
)

select * from final
