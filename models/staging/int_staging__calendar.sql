-- The dates to build, from the orders and the calendar alone: no model reads the clock.
--
-- as_of is var as_of, otherwise the day after the newest completed order, otherwise 1970-01-01. Before it come the first days
-- of the periods, from var history_start on, otherwise from the first one with an earlier purchase. Linkage weights are fitted
-- as of the first date, then as set by var refit_models and the seed refits. A row of that seed takes effect at the first
-- date on or after its own.

{% set as_of = setting('as_of') -%}
{% set has_history = setting('history_start') != 'as_of' -%}
{% set history_start = setting('history_start') if has_history else none -%}
{% if as_of and history_start and history_start > as_of -%}
    {% do exceptions.raise_compiler_error(
        "Var history_start is '" ~ history_start ~ "', later than as_of '" ~ as_of
        ~ "'. Expected a date up to as_of, or null."
    ) %}
{%- endif -%}
{% set day_after_newest_order -%}
coalesce(cast({{ dbt.dateadd('day', 1, 'ordered_on') }} as date), date '1970-01-01')
{%- endset -%}

with orders as (
    select * from {{ ref('stg_orders') }}
),

refits as (
    select * from {{ ref('refits') }}
),

newest_order as (
    select
        min(case when customer_ref is not null then ordered_on end) as first_ordered_on,
        max(ordered_on) as ordered_on
    from orders
    where status = 'completed'
),

as_of_date as (
    select
        {{ "date '" ~ as_of ~ "'" if as_of else day_after_newest_order }} as as_of,
        {% if history_start -%}
        date '{{ history_start }}' as history_start
        {%- else -%}
        cast({{ dbt.dateadd('day', 1, 'first_ordered_on') }} as date) as history_start
        {%- endif %}
    from newest_order
),

{% if has_history -%}
history as (
    select days.day as as_of
    from (
        {{ dates_between(
            '(select cast(' ~ dbt.date_trunc(var('period'), 'history_start') ~ ' as date) from as_of_date)',
            '(select as_of from as_of_date)',
            var('period')
        ) }}
    ) as days
    cross join as_of_date
    where days.day >= as_of_date.history_start
),

{% endif -%}
dates as (
    {% if has_history -%}
    select as_of from history
    union
    {% endif -%}
    select as_of from as_of_date
),

ordered_dates as (
    select
        as_of,
        lead(as_of) over (order by as_of) as next_as_of,
        lag(as_of) over (order by as_of) as previous_as_of
    from dates
),

asked_dates as (
    select
        ordered_dates.as_of,
        ordered_dates.next_as_of,
        ordered_dates.previous_as_of,
        count(case when refits.what <> 'update' then 1 end) > 0 as asks_refit,
        count(case when refits.what = 'update' then 1 end) > 0 as asks_update,
        count(case when refits.what = 'selection' then 1 end) > 0 as asks_selection
    from ordered_dates
    left join refits
        on
            ordered_dates.previous_as_of < refits.as_of
            and ordered_dates.as_of >= refits.as_of
    group by ordered_dates.as_of, ordered_dates.next_as_of, ordered_dates.previous_as_of
),

calendar as (
    select
        as_of,
        next_as_of,
        previous_as_of,
        asks_refit,
        asks_update,
        asks_selection,
        next_as_of is null as is_current,
        max(
            case
                when previous_as_of is null or asks_refit or {{ is_refit_date('refit_models') }} then as_of
            end
        ) over (order by as_of) as linkage_fitted_as_of
    from asked_dates
)

select * from calendar
