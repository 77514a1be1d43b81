-- One row per refit date and treated feature: what stands for a missing value, and where outliers begin.
--
-- Fitted on the eligible buyers known at the refit date, like cut points. Medians, modes and quantiles are always observed
-- values. Where most values are the same there is no spread and so no bounds: they would make outliers of all others.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='fitted_as_of',
    on_schema_change='sync_all_columns'
) }}

{% set treatments = feature_treatments() -%}
{% set no_number = 'cast(null as double)' -%}
{% set no_text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from periods
),

fitted_on as (
    select features.*
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
),

measures as (
    {% for feature in treatments -%}
    {% set number = 'case when is_buyer then cast(' ~ feature.column ~ ' as double) end' -%}
    {% set quantiles = feature.outlier_quantiles -%}
    select
        as_of as fitted_as_of,
        '{{ feature.column }}' as feature,
        '{{ feature.missing }}' as missing_policy,
        {{ sql_literal(feature.outlier_rule) if feature.outlier_rule else no_text }} as outlier_rule,
        cast({{ feature.outlier_limit or 'null' }} as double) as outlier_limit,
        count(case when is_buyer then {{ feature.column }} end) as known_values,
        count(
            case when {{ 'is_buyer and ' if feature.needs_orders }}{{ feature.column }} is null then 1 end
        ) as missing_values,
        {{ no_number if feature.is_text else quantile(number, 0.5) }} as median,
        {{ quantile(number, quantiles[0]) if quantiles else no_number }} as lower_quantile,
        {{ quantile(number, quantiles[1]) if quantiles else no_number }} as upper_quantile,
        {{ no_number if feature.is_text else rounded('avg(' ~ number ~ ')') }} as mean,
        {{ no_number if feature.is_text else rounded('stddev_pop(' ~ number ~ ')') }} as deviation
    from fitted_on
    group by as_of
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- The most frequent value; of equally frequent ones the least.
modes as (
    {% for feature in treatments if feature.missing == 'mode' -%}
    select
        as_of as fitted_as_of,
        '{{ feature.column }}' as feature,
        {{ 'cast(' ~ feature.column ~ ' as ' ~ dbt.type_string() ~ ')' if feature.is_text else no_text }} as text_value,
        {{ no_number if feature.is_text else 'cast(' ~ feature.column ~ ' as double)' }} as number_value,
        row_number() over (
            partition by as_of
            order by count(*) desc, {{ feature.column }}
        ) as position
    from fitted_on
    where is_buyer and {{ feature.column }} is not null
    group by as_of, {{ feature.column }}
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        as_of as fitted_as_of,
        {{ no_text }} as feature,
        {{ no_text }} as text_value,
        {{ no_number }} as number_value,
        1 as position
    from refit_dates
    where false
    {% endfor %}
),

limits as (
    select
        *,
        case
            when missing_policy in ('none', 'unknown') then missing_policy
            when known_values = 0 then 'none'
            when missing_policy = 'knn' and missing_values > {{ whole_number_var('imputation_rows', 1) }} then 'median'
            else missing_policy
        end as policy_in_force,
        case outlier_rule
            when 'iqr' then upper_quantile > lower_quantile
            when 'percentile' then upper_quantile > lower_quantile
            when 'zscore' then deviation > 0
        end as has_spread,
        case outlier_rule
            when 'iqr' then lower_quantile - outlier_limit * (upper_quantile - lower_quantile)
            when 'percentile' then lower_quantile
            when 'zscore' then {{ rounded('mean - outlier_limit * deviation') }}
        end as lower_bound,
        case outlier_rule
            when 'iqr' then upper_quantile + outlier_limit * (upper_quantile - lower_quantile)
            when 'percentile' then upper_quantile
            when 'zscore' then {{ rounded('mean + outlier_limit * deviation') }}
        end as upper_bound
    from measures
),

treatments as (
    select
        -- ids
        limits.fitted_as_of,
        limits.feature,

        -- missing values
        limits.missing_policy,
        limits.policy_in_force,
        case limits.policy_in_force
            when 'mode' then modes.number_value
            when 'median' then limits.median
            when 'knn' then limits.median
        end as fill_number,
        case limits.policy_in_force
            when 'mode' then modes.text_value
            when 'unknown' then 'unknown'
        end as fill_text,
        case
            when limits.policy_in_force = limits.missing_policy then 'ok'
            when limits.known_values = 0 then 'no_values'
            else 'too_many_rows'
        end as missing_status,

        -- outliers
        limits.outlier_rule,
        case when limits.has_spread then limits.lower_bound end as lower_bound,
        case when limits.has_spread then limits.upper_bound end as upper_bound,
        case
            when limits.outlier_rule is null then null
            when limits.known_values = 0 then 'no_values'
            when limits.has_spread then 'ok'
            else 'no_spread'
        end as outlier_status,

        -- numbers
        case when limits.deviation > 0 then limits.deviation else 1 end as scale,
        limits.known_values,
        limits.missing_values
    from limits
    left join modes
        on
            limits.fitted_as_of = modes.fitted_as_of
            and limits.feature = modes.feature
            and modes.position = 1
)

select * from treatments
