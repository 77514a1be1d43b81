-- One row per refit date and sampled buyer: lifetime revenue, for fitting natural breaks. sample_hash
-- decides whether a stored fit is reused.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct cutpoints_fitted_as_of as as_of
    from periods
),

buyers as (
    select
        features.as_of,
        features.customer_key,
        features.revenue__all as value
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
    where features.is_buyer
),

drawn as (
    {{ lowest_keys('buyers', setting('break_sample_rows'), part='as_of') | indent(4) }}
),

sample as (
    select
        as_of,
        customer_key,
        value,
        {{ sample_hash(['customer_key', 'value'], 'as_of') }} as sample_hash
    from drawn
)

select * from sample
