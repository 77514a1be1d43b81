-- How large would a segment be, and whom would it find?
--
-- A candidate in plain SQL, here customers with at least 20 orders whose last one is 15 to 45 days ago. The first row
-- is the candidate as a whole; the rows below say how its members are spread over the RFM segments, and what share of
-- each of these the candidate takes. Once it looks right, `make try` answers the same for the rule in YAML.

with features as (
    select * from {{ ref('customer_features') }}
),

customers as (
    select * from {{ ref('customer_segments') }}
),

judged as (
    select
        customers.rfm_segment,
        features.monetary,
        features.frequency >= 20 and features.recency_days between 15 and 45 as is_member
    from features
    inner join customers on features.customer_id = customers.customer_id
),

sizes as (
    select
        coalesce(rfm_segment, 'all customers') as rfm_segment,
        count(case when is_member then 1 end) as members,
        round(avg(case when is_member then 1.0 else 0.0 end), 3) as share_of_customers,
        sum(case when is_member then monetary else 0 end) as members_revenue,
        round(sum(case when is_member then monetary else 0 end) / nullif(sum(monetary), 0), 3) as share_of_revenue
    from judged
    group by rollup(rfm_segment)
)

select * from sizes
where members > 0
order by members desc, rfm_segment asc
