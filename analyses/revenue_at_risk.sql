-- How much revenue is at risk?
--
-- One row per RFM segment, the largest expected loss first. Active customers are asked whether they will lapse, that is
-- order nothing in the next 90 days. `expected_loss` sums their probability times what they are expected to spend in
-- the next 365 days: what would be lost if all who lapse stayed away for the year. So it is an upper limit.

with predictions as (
    select * from {{ ref('customer_predictions') }}
    where target = 'lapses'
),

values_ahead as (
    select * from {{ ref('customer_value') }}
),

customers as (
    select * from {{ ref('customer_segments') }}
),

losses as (
    select
        customers.rfm_segment,
        count(*) as asked,
        round(avg(predictions.probability), 3) as mean_probability,
        sum(values_ahead.expected_value) as expected_value,
        cast(sum(predictions.probability * values_ahead.expected_value) as decimal(18, 2)) as expected_loss
    from predictions
    inner join customers on predictions.customer_id = customers.customer_id
    left join values_ahead on predictions.customer_id = values_ahead.customer_id
    group by customers.rfm_segment
)

select * from losses
order by expected_loss desc, rfm_segment asc
