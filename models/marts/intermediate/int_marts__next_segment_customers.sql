-- One row per eligible customer as of the newest whole period: what the rates depend on.

with periods as (
    select max(as_of) as as_of
    from {{ ref('int_periods') }}
    where compared_days is not null
),

customers as (
    select
        history.customer_id,
        history.as_of,
        'rfm:' || history.rfm_segment as segment_key,
        coalesce(history.recency_score, 0) as recency_score,
        coalesce(history.frequency_score, 0) as frequency_score,
        cast({{ dbt.dateadd(var('period'), 1, 'history.as_of') }} as date) as next_period
    from {{ ref('customer_history') }} as history
    inner join periods on history.as_of = periods.as_of
)

select * from customers
