-- A view, in the published file too: a row per customer and segment is quicker to compute than to store.

{{ config(materialized='view', meta={'published_as': 'view'}) }}

with customers as (
    select * from {{ ref('int_marts__next_segment_customers') }}
),

rates as (
    select * from {{ ref('int_marts__next_segment_rates') }}
),

models as (
    select * from {{ ref('next_segment_models') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        rates.to_segment as segment_key,
        customers.segment_key as current_segment_key,
        customers.as_of,

        -- numbers
        {{ rounded("case when models.model = 'by_scores' then rates.by_scores else rates.by_segment end", digits=9) }}
            as probability,

        -- dates
        customers.next_period
    from customers
    inner join models on customers.as_of = models.period
    inner join rates
        on
            customers.as_of = rates.period
            and customers.segment_key = rates.from_segment
            and customers.recency_score = rates.recency_score
            and customers.frequency_score = rates.frequency_score
)

select * from final
