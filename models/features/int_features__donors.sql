-- One row per refit date and donor: the buyers whose values fill gaps where a feature's policy is knn. No rows where none is.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='fitted_as_of',
    on_schema_change='sync_all_columns'
) }}

{% set treatments = feature_treatments() -%}
{% set is_needed = treatments | selectattr('missing', 'equalto', 'knn') | list | length > 0 -%}

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

buyers as (
    select features.*
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
    where features.is_buyer
),

drawn as (
    {{ lowest_keys('buyers', whole_number_var('imputation_rows', 1) if is_needed else 0, part='as_of') | indent(4) }}
),

donors as (
    select
        as_of as fitted_as_of,
        {%- for feature in treatments if not feature.is_text %}
        cast({{ feature.column }} as double) as {{ feature.column }},
        {%- endfor %}
        customer_key
    from drawn
)

select * from donors
