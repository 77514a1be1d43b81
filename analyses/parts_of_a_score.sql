-- Why does this customer have this score?
--
-- One row per score and part. `value` says how much there is of the part, from 0 to 1; `weight` is that of var
-- `score_weights`. `contribution` is value times weight over the weights of all known parts, so the contributions add
-- up to the score. The parts of `churn_risk` are chances that add up, without weights. Unknown parts, such as categories
-- without order lines, have no value and no contribution. For another customer, change the first CTE to `select '...' as customer_id`.

with customer as (
    select min(customer_id) as customer_id
    from {{ ref('segment_samples') }}
    where segment_key = 'rule:lapsed_regulars'
),

score_parts as (
    select * from {{ ref('score_parts') }}
),

parts as (
    select
        score_parts.score,
        score_parts.part,
        score_parts.value,
        score_parts.weight,
        score_parts.contribution,
        round(sum(score_parts.contribution) over (partition by score_parts.score), 6) as score_value
    from score_parts
    inner join customer on score_parts.customer_id = customer.customer_id
)

select * from parts
order by score asc, contribution desc nulls last, part asc
