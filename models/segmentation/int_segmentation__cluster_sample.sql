-- One row per scheme, refit date and sampled customer of the scheme: the features that its clusters are fitted on.
-- sample_hash decides whether a stored fit is reused. Features of other schemes are null.

{{ config(
    materialized='incremental',
    incremental_strategy='replace_periods',
    unique_key='as_of',
    on_schema_change='sync_all_columns'
) }}

{% set schemes = cluster_schemes() -%}
{% set names = [] -%}
{% for features in schemes.values() -%}
{% do names.extend(cluster_columns('features', features) | map(attribute='name')) -%}
{% endfor -%}

with features as (
    {{ clustered_features() | indent(4) }}
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

{% for scheme, features in schemes.items() -%}
{% set columns = cluster_columns('features', features) -%}
{% set own = columns | map(attribute='name') | list -%}
customers_{{ scheme }} as (
    select
        features.as_of,
        features.customer_key,
        {%- for column in columns %}
        cast({{ column.sql }} as double) as {{ column.name }},
        {%- endfor %}
        refit_dates.kind,
        count(*) over (partition by features.as_of) as customers
    from features
    inner join refit_dates on features.as_of = refit_dates.as_of
    where {{ is_clustered(scheme, 'features', columns) }}
),

drawn_{{ scheme }} as (
    {{ lowest_keys('customers_' ~ scheme, setting('cluster_sample_rows'), part='as_of') | indent(4) }}
),

sample_{{ scheme }} as (
    select
        '{{ scheme }}' as scheme,
        as_of,
        kind,
        customers,
        {%- for name in names | unique %}
        {{ name if name in own else 'cast(null as double) as ' ~ name }},
        {%- endfor %}
        customer_key,
        {{ sample_hash(['customer_key', 'kind', 'customers'] + own, 'as_of') }} as sample_hash
    from drawn_{{ scheme }}
),

{% endfor -%}

samples as (
    {% for scheme in schemes -%}
    select * from sample_{{ scheme }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from samples
