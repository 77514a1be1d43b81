-- One row per refit date and sampled buyer: the features that clusters are fitted on. sample_hash says whether a
-- stored fit may be used again.
--
-- Keys are hashes, so the lowest of them are a random sample, and the same one in every build.

{% set cluster_features = cluster_features() -%}

with features as (
    select * from {{ ref('int_features__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

refit_dates as (
    select distinct models_fitted_as_of as as_of
    from periods
),

numbered as (
    select
        features.as_of,
        features.customer_key,
        {%- for feature in cluster_features %}
        cast(features.{{ feature.column }} as double) as {{ feature.name }},
        {%- endfor %}
        row_number() over (partition by features.as_of order by features.customer_key) as position
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
    where features.is_buyer
),

sample as (
    select
        as_of,
        {%- for feature in cluster_features %}
        {{ feature.name }},
        {%- endfor %}
        customer_key,
        {{ sample_hash(['customer_key'] + cluster_features | map(attribute='name') | list, 'as_of') }} as sample_hash
    from numbered
    where position <= {{ whole_number_var('cluster_sample_rows', 1) }}
)

select * from sample
