-- One row per as_of, customer and category the customer bought from before it: its share of the spend. A row with a null
-- category holds purchases of products without a category, which the shares leave out.
--
-- Returns are subtracted; a category with no spend after returns has share 0.

with lines as (
    select * from {{ ref('int_facts__lines') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_built
),

-- The lines of a basket often share a category, so sums per day are a much smaller table.
days as (
    select
        customer_key,
        category,
        day,
        sum(amount) as amount,
        count(case when is_completed then is_discounted end) as lines,
        count(case when is_completed and is_discounted then 1 end) as discounted_lines
    from lines
    group by customer_key, category, day
),

sums as (
    select
        periods.as_of,
        days.customer_key,
        days.category,
        greatest(sum(days.amount), 0) as spend,
        greatest({{ metric_aggregate(
            {'aggregate': 'decayed_sum', 'value': 'days.amount'}, day_window('', '', {}),
            day='days.day', as_of='periods.as_of'
        ) }}, 0) as decayed_spend,
        cast(sum(days.lines) as bigint) as lines,
        cast(sum(days.discounted_lines) as bigint) as discounted_lines
    from periods
    inner join days on periods.as_of > days.day
    group by periods.as_of, days.customer_key, days.category
),

shares as (
    select
        as_of,
        customer_key,
        category,
        lines,
        discounted_lines,
        cast(spend as decimal(18, 2)) as spend,
        case
            when category is not null
                then {{ rounded('spend / nullif(cast(sum(spend) over of_customer as double), 0)') }}
        end as spend_share,
        case
            when category is not null
                then {{ rounded('decayed_spend / nullif(sum(decayed_spend) over of_customer, 0)') }}
        end as recent_share
    from sums
    window of_customer as (partition by as_of, customer_key, category is not null)
),

interests as (
    select
        *,
        row_number() over (
            partition by as_of, customer_key
            order by recent_share desc nulls last, spend_share desc nulls last, category asc nulls last
        ) as rank
    from shares
)

select * from interests
