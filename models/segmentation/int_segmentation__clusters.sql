-- One row per scheme, as_of and customer of the scheme: the nearest centroid of the model in force and the distance to it.
--
-- The parameters are columns of one row per fit (there are at most cluster_k.max centroids), so one pass compares all
-- customers. Clusters are numbered in order of their keys, so ties (to 1e-9) go to the lowest key. Customers beyond every
-- cluster's distance limit are outliers.

{% set schemes = cluster_schemes() -%}
{% set numbers = range(1, setting('cluster_k').max + 1) -%}
{% set same = '0.000000001' -%}

with customers as (
    {{ clustered_features() | indent(4) }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

{% for scheme, features in schemes.items() -%}
{% set columns = cluster_columns('customers', features) -%}
{#- Axes of the distance: the columns, or as many principal components; a fit may have fewer. -#}
{% set dimensions = [] -%}
{% for column in columns -%}
{% do dimensions.append('pc' ~ loop.index if setting('cluster_pca') else column.name) -%}
{% endfor -%}
parameters_of_{{ scheme }} as (
    select
        as_of as fitted_as_of,
        {%- for column in columns %}
        {%- set is_feature = "feature = '" ~ column.name ~ "'" %}
        {%- for name in ['log_used', 'lower_cap', 'upper_cap', 'centre', 'scale'] %}
        max(
            case when {{ is_feature }} and part = 'scaler' and name = '{{ name }}' then value end
        ) as {{ column.name }}_{{ name }},
        {%- endfor %}
        {%- for dimension in dimensions if setting('cluster_pca') %}
        max(
            case when {{ is_feature }} and part = 'loading' and number = {{ loop.index }} then value end
        ) as {{ column.name }}_{{ dimension }},
        {%- endfor %}
        {%- endfor %}
        {%- for number in numbers %}
        {%- for dimension in dimensions %}
        max(
            case when feature = '{{ dimension }}' and part = 'coordinate' and number = {{ number }} then value end
        ) as {{ dimension }}_{{ number }},
        {%- endfor %}
        max(case when part = 'limit' and number = {{ number }} then value end) as limit_{{ number }},
        max(case when part = 'key' and number = {{ number }} then name end) as key_{{ number }},
        {%- endfor %}
        max(case when part = 'model' then name end) as algorithm
    from fit
    where
        scheme = '{{ scheme }}'
        and part in ('scaler', 'loading', 'coordinate', 'limit', 'key', 'model')
    group by as_of
),

-- Features as the fit saw them. A missing value counts as the centre.
scaled_{{ scheme }} as (
    select
        customers.as_of,
        customers.customer_key,
        {%- for column in columns %}
        {%- set value, parameter = column.sql, 'parameters.' ~ column.name %}
        case when {{ value }} is null then 0 else (
            least(greatest(
                case
                    when {{ parameter }}_log_used = 1 then ln(1 + greatest({{ value }}, 0))
                    else {{ value }}
                end,
                {{ parameter }}_lower_cap
            ), {{ parameter }}_upper_cap)
            - {{ parameter }}_centre
        ) / {{ parameter }}_scale end as {{ column.name }},
        {%- endfor %}
        parameters.*
    from customers
    inner join periods on customers.as_of = periods.as_of
    inner join parameters_of_{{ scheme }} as parameters on periods.models_fitted_as_of = parameters.fitted_as_of
    where {{ is_clustered(scheme, 'customers', columns) }}
),

{% if setting('cluster_pca') -%}
placed_{{ scheme }} as (
    select
        *,
        {%- for dimension in dimensions %}
        {% for column in columns -%}
        {{ column.name }} * coalesce({{ column.name }}_{{ dimension }}, 0){{ ' + ' if not loop.last }}
        {%- endfor %} as {{ dimension }}{{ ',' if not loop.last }}
        {%- endfor %}
    from scaled_{{ scheme }}
),

{% endif -%}

distances_of_{{ scheme }} as (
    select
        '{{ scheme }}' as scheme,
        as_of,
        customer_key,
        fitted_as_of,
        {%- for number in numbers %}
        sqrt(
            {%- for dimension in dimensions %}
            {%- set centre = dimension ~ '_' ~ number %}
            {%- set centre = centre if loop.first else 'coalesce(' ~ centre ~ ', 0)' %}
            {{ '+ ' if not loop.first }}power({{ dimension }} - {{ centre }}, 2)
            {%- endfor %}
        ) as distance_{{ number }},
        limit_{{ number }},
        key_{{ number }},
        {%- endfor %}
        algorithm
    from {{ 'placed' if setting('cluster_pca') else 'scaled' }}_{{ scheme }}
),

{% endfor -%}

distances as (
    {% for scheme in schemes -%}
    select * from distances_of_{{ scheme }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

nearest as (
    select
        *,
        {{ least_of('distance_{n}', numbers) | indent(8) }} as distance,
        {{ least_of('distance_{n} - limit_{n}', numbers) | indent(8) }} as distance_beyond
    from distances
),

numbered as (
    select
        *,
        case
            {%- for number in numbers %}
            when distance_{{ number }} <= distance + {{ same }} then {{ number }}
            {%- endfor %}
        end as number
    from nearest
),

assigned as (
    select
        scheme,
        as_of,
        customer_key,
        fitted_as_of,
        case
            when algorithm = 'none' then 'everyone'
            when distance_beyond > {{ same }} then 'outlier'
            {%- for number in numbers %}
            when number = {{ number }} then key_{{ number }}
            {%- endfor %}
        end as cluster_key,
        distance,
        {{ least_of('case when number <> {n} then distance_{n} end', numbers) | indent(8) }} as second_distance
    from numbered
),

clusters as (
    select
        *,
        case when cluster_key <> 'outlier' then 1 - distance / nullif(second_distance, 0) end as confidence
    from assigned
)

select * from clusters
