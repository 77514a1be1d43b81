-- Each model is asked, as of the day it was fitted, how many purchases come until the newest as_of: days it has not seen.

with histories as (
    select * from {{ ref('int_value__purchase_histories') }}
),

lifetime_models as (
    select * from {{ ref('int_value__models') }}
),

expected as (
    select * from {{ ref('int_value__expected_purchases') }}
),

newest as (
    select * from {{ ref('int_periods') }}
    where is_current
),

compared as (
    select
        histories.as_of as fitted_as_of,
        newest.as_of as observed_as_of,
        {{ probability_alive('histories', 'lifetime_models') | indent(8) }} as alive,
        expected.holdout,
        now.repeat_days - histories.repeat_days as observed_purchases
    from histories
    inner join lifetime_models on histories.as_of = lifetime_models.fitted_as_of
    inner join newest on histories.as_of < newest.as_of
    inner join expected
        on
            histories.as_of = expected.as_of
            and histories.repeat_days = expected.repeat_days
            and histories.age_days = expected.age_days
            and expected.holdout is not null
    inner join histories as now
        on
            newest.as_of = now.as_of
            and histories.customer_key = now.customer_key
),

predicted as (
    select
        fitted_as_of,
        {{ dbt.datediff('fitted_as_of', 'observed_as_of', 'day') }} as holdout_days,  -- noqa: LT05
        {{ rounded('alive * holdout') }} as predicted_purchases,
        observed_purchases
    from compared
),

ranked as (
    select
        *,
        {{ decile('predicted_purchases', 'fitted_as_of') }} as decile
    from predicted
),

final as (
    select
        -- ids
        fitted_as_of,
        decile,

        -- numbers
        cast(max(holdout_days) as integer) as holdout_days,
        count(*) as customers,
        {{ rounded(exact_mean('predicted_purchases')) }} as predicted_purchases,
        {{ rounded('avg(observed_purchases)') }} as observed_purchases
    from ranked
    group by fitted_as_of, decile
)

select * from final
