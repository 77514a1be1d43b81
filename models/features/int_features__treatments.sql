-- One row per refit date and feature of var feature_treatments: the value to impute, and the bounds for capping.
--
-- Fitted on the eligible buyers known at the refit date, like cut points. Medians, modes and quantiles are always observed
-- values. If most values are the same, there is no spread and so no bounds: all other values would be outliers.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='fitted_as_of',
    on_schema_change='sync_all_columns'
) }}

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

feature_values as (
    {{ feature_values() | indent(4) }}
),

declared as (
    {% for feature in feature_treatments() -%}
    {% set outliers = feature.outliers -%}
    select
        '{{ feature.column }}' as feature,
        '{{ feature.missing }}' as missing,
        cast({{ sql_literal(outliers.rule) if outliers else 'null' }} as {{ dbt.type_string() }}) as outlier_rule,
        cast({{ outliers.reach if outliers else 'null' }} as double) as reach,
        cast({{ outliers.quantiles[0] if outliers.quantiles else 'null' }} as double) as lower_share,
        cast({{ outliers.quantiles[1] if outliers.quantiles else 'null' }} as double) as upper_share
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Missing values are a partition of their own, so that cumulative shares are shares of the known values.
buyer_values as (
    select
        feature_values.*,
        cume_dist() over (
            partition by feature_values.as_of, feature_values.feature, feature_values.number is null
            order by feature_values.number
        ) as share_up_to
    from feature_values
    inner join refit_dates on feature_values.as_of = refit_dates.as_of
    where feature_values.is_buyer
),

-- The most frequent value comes first; ties go to the smallest.
frequencies as (
    select
        as_of,
        feature,
        number,
        text_value,
        row_number() over (
            partition by as_of, feature
            order by count(*) desc, number asc, text_value asc
        ) as position
    from buyer_values
    where number is not null or text_value is not null
    group by as_of, feature, number, text_value
),

measures as (
    select
        buyer_values.as_of,
        declared.feature,
        declared.missing,
        declared.outlier_rule,
        declared.reach,
        count(buyer_values.number) + count(buyer_values.text_value) as known_values,
        min(case when buyer_values.share_up_to >= 0.5 then buyer_values.number end) as median,
        min(case when buyer_values.share_up_to >= declared.lower_share then buyer_values.number end) as lower_quantile,
        min(case when buyer_values.share_up_to >= declared.upper_share then buyer_values.number end) as upper_quantile,
        {{ rounded('avg(buyer_values.number)') }} as mean,
        {{ rounded('stddev_pop(buyer_values.number)') }} as deviation
    from buyer_values
    inner join declared on buyer_values.feature = declared.feature
    group by
        buyer_values.as_of, declared.feature, declared.missing, declared.outlier_rule, declared.reach
),

bounds as (
    select
        *,
        case when outlier_rule = 'zscore' then deviation else upper_quantile - lower_quantile end as spread,
        case when outlier_rule = 'zscore' then mean else lower_quantile end as lower_anchor,
        case when outlier_rule = 'zscore' then mean else upper_quantile end as upper_anchor
    from measures
),

treatments as (
    select
        -- ids
        bounds.as_of as fitted_as_of,
        bounds.feature,

        -- missing values
        bounds.missing,
        case bounds.missing when 'median' then bounds.median when 'mode' then modes.number end as fill_number,
        case bounds.missing when 'unknown' then 'unknown' when 'mode' then modes.text_value end as fill_text,

        -- outliers
        bounds.outlier_rule,
        case when bounds.spread > 0 then bounds.lower_anchor - bounds.reach * bounds.spread end as lower_bound,
        case when bounds.spread > 0 then bounds.upper_anchor + bounds.reach * bounds.spread end as upper_bound,

        -- words
        case
            when bounds.known_values = 0 then 'no_values'
            when bounds.outlier_rule is not null and not bounds.spread > 0 then 'no_spread'
            else 'ok'
        end as status
    from bounds
    left join frequencies as modes
        on
            bounds.as_of = modes.as_of
            and bounds.feature = modes.feature
            and modes.position = 1
)

select * from treatments
