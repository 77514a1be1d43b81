-- The dates to build, and which parameters are in force at each. Every model with `as_of` takes its dates from here.
--
-- as_of is var as_of, else the day after the newest completed order, else 1970-01-01. Before it lie the first days
-- of the periods from var history_start on.

{% set as_of = optional_date_var('as_of') -%}
{% set history_start = optional_date_var('history_start') -%}
{% set day_after_newest_order -%}
coalesce(cast({{ dbt.dateadd('day', 1, 'ordered_on') }} as date), date '1970-01-01')
{%- endset -%}

with orders as (
    select * from {{ ref('stg_orders') }}
),

newest_order as (
    select max(ordered_on) as ordered_on
    from orders
    where status = 'completed'
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
        as_of,
        lead(as_of) over (order by as_of) as next_as_of,
        as_of = max(as_of) over () as is_current,
        as_of = min(as_of) over () as is_first,
        {{ dbt.date_trunc('quarter', 'as_of') }} = as_of as starts_quarter,
        {{ dbt.date_trunc('year', 'as_of') }} = as_of as starts_year
    from dates
),

periods as (
    select
        as_of,
        next_as_of,
        is_current,
        max(case when {{ is_refit_date('refit_cutpoints') }} then as_of end) over up_to_as_of as cutpoints_fitted_as_of,
        max(case when {{ is_refit_date('refit_models') }} then as_of end) over up_to_as_of as models_fitted_as_of
    from calendar
    window up_to_as_of as (order by as_of)
)

select * from periods
