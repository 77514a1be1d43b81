-- One row per target, origin and sampled customer asked about: the features as of the origin. At most one origin in a calendar month,
-- so that weeks and days don't multiply the rows.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set features = cluster_features('prediction_features') -%}

with features as (
    select * from {{ ref('int_segmentation__customers_scored') }}
),

origins as (
    select as_of
    from {{ ref('int_periods') }}
    where coalesce({{ dbt.date_trunc('month', 'as_of') }} > {{ dbt.date_trunc('month', 'previous_as_of') }}, true)
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

asked as (
    {% for name, prediction in predictions().items() -%}
    select
        features.as_of,
        features.customer_key,
        {%- for feature in features %}
        cast(features.{{ feature.column }} as double) as {{ feature.name }},
        {%- endfor %}
        '{{ name }}' as target
    from features
    inner join origins on features.as_of = origins.as_of
    left join cutpoints on features.as_of = cutpoints.as_of
    where {{ rule_condition(prediction.who) }}
    {{ 'union all' if not loop.last }}
    {% else -%}
    select
        as_of,
        customer_key,
        {%- for feature in features %}
        cast({{ feature.column }} as double) as {{ feature.name }},
        {%- endfor %}
        cast(null as {{ dbt.type_string() }}) as target
    from features
    where false
    {% endfor %}
),

drawn as (
    {{ lowest_keys('asked', setting('prediction_sample_rows'), part='as_of, target') | indent(4) }}
)

select
    as_of,
    target,
    customer_key,
    {%- for feature in features %}
    {{ feature.name }}{{ ',' if not loop.last }}
    {%- endfor %}
from drawn
