-- One row per as_of, eligible customer and feature of var feature_treatments whose value is replaced, with the replacement.
--
-- A missing value is imputed, then the value is capped. The result depends only on the customer and on stored parameters,
-- never on the other customers at as_of.

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

treatments as (
    select * from {{ ref('int_features__treatments') }}
),

feature_values as (
    {{ feature_values() | indent(4) }}
),

filled as (
    select
        feature_values.as_of,
        feature_values.customer_key,
        feature_values.feature,
        coalesce(feature_values.number, treatments.fill_number) as number,
        coalesce(feature_values.text_value, treatments.fill_text) as text_value,
        feature_values.number is null and feature_values.text_value is null as is_missing,
        treatments.missing,
        treatments.lower_bound,
        treatments.upper_bound
    from feature_values
    inner join periods on feature_values.as_of = periods.as_of
    inner join treatments
        on
            periods.models_fitted_as_of = treatments.fitted_as_of
            and feature_values.feature = treatments.feature
),

treated as (
    select
        -- ids
        as_of,
        customer_key,
        feature,

        -- values
        case
            when number < lower_bound then lower_bound
            when number > upper_bound then upper_bound
            else number
        end as number,
        text_value,

        -- flags
        is_missing and missing <> 'unknown' as is_imputed,
        coalesce(number < lower_bound or number > upper_bound, false) as is_capped
    from filled
    where
        (is_missing and (number is not null or text_value is not null))
        or number < lower_bound
        or number > upper_bound
)

select * from treated
