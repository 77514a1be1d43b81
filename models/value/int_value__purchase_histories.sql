-- One row per as_of and buyer who has purchased before it: at the dates this build makes, and at all refit dates of models.
--
-- A purchase is a day with a completed order of an amount above 0: two orders of one day are one decision to buy. The
-- first purchase makes the buyer and says nothing of coming back, so repeat days and their mean amount leave it out.
-- Example: purchases on 1, 11 and 31 March are two repeat days, 30 active days and, as of 5 April, an age of 35 days.

with orders as (
    select * from {{ ref('int_facts__orders') }}
    where is_completed and amount > 0
),

periods as (
    select * from {{ ref('int_periods') }}
),

dates as (
    select as_of from periods
    where is_built
    union distinct
    select models_fitted_as_of as as_of from periods
    where models_fitted_as_of is not null
),

purchases as (
    select
        customer_key,
        day,
        sum(amount) as amount
    from orders
    group by customer_key, day
),

-- The state after each purchase, which holds until the day of the next one.
states as (
    select
        customer_key,
        day,
        min(day) over so_far as first_day,
        count(*) over so_far - 1 as repeat_days,
        sum(amount) over so_far - first_value(amount) over so_far as repeat_amount,
        lead(day) over (partition by customer_key order by day) as next_day
    from purchases
    window so_far as (
        partition by customer_key
        order by day
        rows between unbounded preceding and current row
    )
),

histories as (
    select
        dates.as_of,
        states.customer_key,
        states.repeat_days,
        {{ dbt.datediff('states.first_day', 'states.day', 'day') }} as active_days,  -- noqa: LT05
        {{ dbt.datediff('states.first_day', 'dates.as_of', 'day') }} as age_days,  -- noqa: LT05
        {{ money_mean('states.repeat_amount', 'states.repeat_days') }} as repeat_spend
    from dates
    inner join states
        on
            dates.as_of > states.day
            and (dates.as_of <= states.next_day or states.next_day is null)
)

select * from histories
