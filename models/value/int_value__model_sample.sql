-- One row per refit date of models and group of buyers with equal purchase histories. Equal buyers add the same to a
-- likelihood, so nothing is lost, and a million of them are far fewer rows. sample_hash decides whether a stored fit is
-- reused.

with histories as (
    select * from {{ ref('int_value__purchase_histories') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from periods
),

counted as (
    select
        histories.as_of,
        histories.repeat_days,
        histories.active_days,
        histories.age_days,
        histories.repeat_spend,
        count(*) as buyers
    from histories
    inner join refit_dates on histories.as_of = refit_dates.as_of
    group by
        histories.as_of, histories.repeat_days, histories.active_days, histories.age_days, histories.repeat_spend
),

sample as (
    select
        *,
        {{ sample_hash(['repeat_days', 'active_days', 'age_days', 'repeat_spend', 'buyers'], 'as_of') }} as sample_hash
    from counted
)

select * from sample
