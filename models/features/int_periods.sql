-- Which parameters are in force at each date of the calendar. Every model with `as_of` takes its dates from here.
--
-- Parameters are fitted as of the first date that has an eligible buyer before it, and then as often as the vars
-- refit_* and the seed refits say. At some of these dates, by var reselect_models and that seed, the number of clusters
-- is chosen anew.

with calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

customer_orders as (
    select * from {{ ref('int_features__orders') }}
),

first_purchase as (
    select min(day) as first_bought_on
    from customer_orders
    where is_completed
),

refit_calendar as (
    select
        calendar.*,
        {{ is_refit_date('refit_cutpoints') }} as fits_cutpoints,
        calendar.asks_refit or {{ is_refit_date('refit_models') }} as fits_models,
        calendar.asks_selection or {{ is_refit_date('reselect_models', ['year', 'never']) }} as selects_models,
        calendar.as_of > first_purchase.first_bought_on as has_buyers,
        calendar.as_of > first_purchase.first_bought_on
        and coalesce(calendar.previous_as_of <= first_purchase.first_bought_on, true) as is_first
    from calendar
    cross join first_purchase
),

periods as (
    select
        as_of,
        next_as_of,
        is_current,
        max(case when is_first or (has_buyers and fits_cutpoints) then as_of end)
            over up_to_as_of as cutpoints_fitted_as_of,
        max(case when is_first or (has_buyers and (fits_models or selects_models)) then as_of end)
            over up_to_as_of as models_fitted_as_of,
        max(case when is_first or (has_buyers and selects_models) then as_of end)
            over up_to_as_of as models_selected_as_of
    from refit_calendar
    window up_to_as_of as (order by as_of)
)

select * from periods
