-- The dates to build, and which parameters are in force at each. Every model with `as_of` takes its dates from here.
--
-- as_of is var as_of, else the day after the newest completed order, else 1970-01-01. Before it lie the first days
-- of the periods from var history_start on. Parameters are fitted as of the first date that has an eligible buyer
-- before it, and then as often as the vars refit_* say.

{% set as_of = optional_date_var('as_of') -%}
{% set history_start = optional_date_var('history_start') -%}
{% if as_of and history_start and history_start > as_of -%}
    {% do stop("Var history_start is '" ~ history_start ~ "', later than as_of '" ~ as_of ~ "'. Expected a date up to as_of, or null.") %}
{%- endif -%}
{% set day_after_newest_order -%}
coalesce(cast({{ dbt.dateadd('day', 1, 'ordered_on') }} as date), date '1970-01-01')
{%- endset -%}

with orders as (
    select * from {{ ref('stg_orders') }}
),

customer_orders as (
    select * from {{ ref('int_features__orders') }}
),

newest_order as (
    select max(ordered_on) as ordered_on
    from orders
    where status = 'completed'
),

first_purchase as (
    select min(day) as first_bought_on
    from customer_orders
    where is_completed
),

as_of_date as (
    select
        {{ "date '" ~ as_of ~ "'" if as_of else day_after_newest_order }} as as_of
    from newest_order
),

{% if history_start -%}
history as (
    select day as as_of
    from (
        {{ dates_between(
            "cast(" ~ dbt.date_trunc(var('period'), "date '" ~ history_start ~ "'") ~ " as date)",
            '(select as_of from as_of_date)',
            var('period')
        ) }}
    ) as days
    where day >= date '{{ history_start }}'
),
{%- else -%}
history as (
    select as_of
    from as_of_date
),
{%- endif %}

dates as (
    select as_of from history
    union
    select as_of from as_of_date
),

calendar as (
    select
        dates.as_of,
        first_purchase.first_bought_on,
        lead(dates.as_of) over (order by dates.as_of) as next_as_of,
        lag(dates.as_of) over (order by dates.as_of) as previous_as_of
    from dates
    cross join first_purchase
),

-- The first date that has a buyer to fit on, then the first date of each quarter or year.
refit_calendar as (
    select
        *,
        next_as_of is null as is_current,
        as_of > first_bought_on as has_buyers,
        as_of > first_bought_on and coalesce(previous_as_of <= first_bought_on, true) as is_first,
        {{ dbt.date_trunc('quarter', 'as_of') }} > {{ dbt.date_trunc('quarter', 'previous_as_of') }} as starts_quarter,
        {{ dbt.date_trunc('year', 'as_of') }} > {{ dbt.date_trunc('year', 'previous_as_of') }} as starts_year
    from calendar
),

periods as (
    select
        as_of,
        next_as_of,
        is_current,
        max(case when {{ is_refit_date('refit_cutpoints') }} then as_of end) over up_to_as_of as cutpoints_fitted_as_of,
        max(case when {{ is_refit_date('refit_models') }} then as_of end) over up_to_as_of as models_fitted_as_of
    from refit_calendar
    window up_to_as_of as (order by as_of)
)

select * from periods
