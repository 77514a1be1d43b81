with lifetime_values as (
    select * from {{ ref('int_value__lifetime_values') }}
),

models as (
    select * from {{ ref('int_value__models') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where is_current
),

customers as (
    select * from {{ ref('int_identity__customers_resolved') }}
),

final as (
    select
        -- ids
        customers.customer_id,
        lifetime_values.as_of,

        -- what was
        lifetime_values.repeat_days,
        cast(lifetime_values.active_days as integer) as active_days,
        cast(lifetime_values.age_days as integer) as age_days,
        lifetime_values.repeat_spend,

        -- what is expected
        lifetime_values.expected_purchases,
        lifetime_values.probability_alive,
        lifetime_values.expected_spend,
        lifetime_values.expected_value,
        case
            when lifetime_values.expected_value is not null
                then {{ decile('lifetime_values.expected_value', 'lifetime_values.expected_value is null') }}
        end as decile,

        -- words
        models.verdict,
        models.why,

        -- dates
        models.fitted_as_of
    from lifetime_values
    inner join periods on lifetime_values.as_of = periods.as_of
    inner join models on periods.models_fitted_as_of = models.fitted_as_of
    inner join customers on lifetime_values.customer_key = customers.customer_key
)

select * from final
