-- How many customers are in each cell of recency and frequency?
--
-- Rows are recency scores, 5 is the most recent; columns are frequency scores, 5 is the most orders. The top right
-- corner holds the champions, the bottom left the hibernating. A grid with nearly all customers on its diagonal says
-- that the two scores measure the same thing here.

with customer_segments as (
    select * from {{ ref('customer_segments') }}
),

grid as (
    select
        recency_score,
        count(case when frequency_score = 1 then 1 end) as frequency_1,
        count(case when frequency_score = 2 then 1 end) as frequency_2,
        count(case when frequency_score = 3 then 1 end) as frequency_3,
        count(case when frequency_score = 4 then 1 end) as frequency_4,
        count(case when frequency_score = 5 then 1 end) as frequency_5,
        count(*) as customers
    from customer_segments
    where is_buyer
    group by recency_score
)

select * from grid
order by recency_score desc
