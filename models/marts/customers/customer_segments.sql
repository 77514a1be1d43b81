with customers as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        customers.as_of,

        -- scores
        customers.recency_score,
        customers.frequency_score,
        customers.monetary_score,

        -- exclusive schemes
        customers.rfm as rfm_segment,
        {{ promised_scheme('value_tier') }} as value_tier,
        customers.spend_breaks as spend_band,
        {{ promised_scheme('spend_limits') }} as spend_limit,
        {{ promised_scheme('purchase_rhythm') }} as purchase_rhythm,
        {{ promised_scheme('lifecycle') }} as lifecycle,
        {{ promised_scheme('demographic') }} as demographic,
        customers.cluster as cluster_key,
        segments.name as persona,
        customers.cluster_distance,
        customers.cluster_confidence,
        customers.journeys as journey_key,
        journeys.name as journey_persona,
        customers.journeys_distance as journey_distance,
        customers.journeys_confidence as journey_confidence,

        -- flags
        customers.is_buyer
    from customers
    inner join periods on customers.as_of = periods.as_of
    left join segments on 'cluster:' || customers.cluster = segments.segment_key
    left join segments as journeys on 'journeys:' || customers.journeys = journeys.segment_key
    where periods.is_current
)

select * from final
