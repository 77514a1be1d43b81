-- One row per refit date and sampled buyer: the features that clusters are fitted on. sample_hash says whether a
-- stored fit may be used again.
--
-- Keys are hashes, so the lowest of them are a random sample, and the same one in every build.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set columns = cluster_columns('features') -%}
{% set names = columns | map(attribute='name') | list -%}

with features as (
    select * from {{ ref('int_features__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select
        as_of,
        case
            when as_of = models_selected_as_of then 'selection'
            when updates_models then 'update'
            else 'refit'
        end as kind
    from periods
    where as_of = models_fitted_as_of
),

numbered as (
    select
        features.as_of,
        features.customer_key,
        refit_dates.kind,
        {%- for column in columns %}
        cast({{ column.sql }} as double) as {{ column.name }},
        {%- endfor %}
        row_number() over (partition by features.as_of order by features.customer_key) as position
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
    where features.is_buyer
),

sample as (
    select
        as_of,
        kind,
        {%- for name in names %}
        {{ name }},
        {%- endfor %}
        customer_key,
        {{ sample_hash(['customer_key', 'kind'] + names, 'as_of') }} as sample_hash
    from numbered
    where position <= {{ whole_number_var('cluster_sample_rows', 1) }}
)

select * from sample
