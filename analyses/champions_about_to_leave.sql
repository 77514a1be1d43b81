-- Which champions are about to leave?
--
-- The ten champions whose buying slowed down most. `momentum_score` (0 to 1) compares the orders and revenue a day of
-- the last 90 days with the customer's own 275 days before: 0.5 is no change, 0.2 is a quarter of the earlier pace.
-- `churn_risk` (0 to 1) is the estimated chance of no order in the next 90 days. `monetary` says how much is at stake.

with customers as (
    select * from {{ ref('customer_segments') }}
),

features as (
    select * from {{ ref('customer_features') }}
),

ranked as (
    select
        features.customer_id,
        features.recency_days,
        features.frequency,
        features.monetary,
        features.momentum_score,
        round(features.churn_risk, 3) as churn_risk,
        row_number() over (order by features.momentum_score, features.customer_id) as place
    from customers
    inner join features on customers.customer_id = features.customer_id
    where customers.rfm_segment = 'champions' and features.momentum_score is not null
)

select * from ranked
where place <= 10
order by place
