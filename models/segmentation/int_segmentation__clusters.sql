-- One row per as_of and buyer: the nearest centroid of the model in force, and how far it is.
--
-- The parameters come as columns of one row per fit (there are at most cluster_k.max centroids), which a customer is
-- compared with in one pass. Of equally near centroids the one with the lowest key is taken.

{% set features = cluster_features() -%}
{% set numbers = range(1, cluster_k().max + 1) -%}

with customers as (
    select * from {{ ref('int_features__customers') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

fit as (
    select * from {{ ref('int_segmentation__cluster_fit') }}
),

parameters as (
    select
        as_of as fitted_as_of,
        {%- for feature in features %}
        {%- set is_feature = "feature = '" ~ feature.name ~ "'" %}
        {%- for name in ['log_used', 'lower_cap', 'upper_cap', 'centre', 'scale'] %}
        max(
            case when {{ is_feature }} and part = 'scaler' and name = '{{ name }}' then value end
        ) as {{ feature.name }}_{{ name }},
        {%- endfor %}
        {%- for number in numbers %}
        max(
            case when {{ is_feature }} and part = 'centroid' and number = {{ number }} then value end
        ) as {{ feature.name }}_{{ number }},
        {%- endfor %}
        {%- endfor %}
        max(case when part = 'model' then name end) as algorithm
    from fit
    group by as_of
),

scaled as (
    select
        customers.as_of,
        customers.customer_key,
        {%- for feature in features %}
        {%- set scaled_feature = standardised('customers.' ~ feature.column, 'parameters.' ~ feature.name) %}
        {{ scaled_feature | indent(8) }} as {{ feature.name }},
        {%- endfor %}
        parameters.*
    from customers
    inner join periods on customers.as_of = periods.as_of
    inner join parameters on periods.models_fitted_as_of = parameters.fitted_as_of
    where customers.is_buyer
),

distances as (
    select
        as_of,
        customer_key,
        fitted_as_of,
        {%- for number in numbers %}
        {{ distance_to_centroid(features, number) | indent(8) }} as distance_{{ number }},
        {%- endfor %}
        algorithm
    from scaled
),

nearest as (
    select
        *,
        {{ least_of('distance_', numbers) | indent(8) }} as distance
    from distances
),

clusters as (
    select
        as_of,
        customer_key,
        fitted_as_of,
        case
            when algorithm = 'none' then 'everyone'
            {% for number in numbers -%}
            when distance_{{ number }} = distance then '{{ cluster_key(number) }}'
            {% endfor -%}
        end as cluster_key,
        distance
    from nearest
)

select * from clusters
