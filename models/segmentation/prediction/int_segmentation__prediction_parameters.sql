-- One row per target and refit date: the model in force with its parameters as lists, in the order of var prediction_features.
--
-- A filter of an aggregate doesn't keep the engine from casting the rows that it leaves out, hence the case expression.

{% set split_feature = "cast(case when part = 'split_feature' then value end as bigint)" -%}
{% set features = cluster_features('prediction_features') | map(attribute='name') | list -%}

with fit as (
    select * from {{ ref('int_segmentation__prediction_fit') }}
),

-- noqa: disable=LT02
parameters as (
    select
        {%- for name in ['fill', 'log_used', 'lower_cap', 'upper_cap', 'centre', 'scale'] %}
        {%- set values = [] %}
        {%- for feature in features %}
        {%- set is_asked = "part = 'scaler' and name = '" ~ name ~ "' and feature = '" ~ feature ~ "'" %}
        {%- do values.append('max(case when ' ~ is_asked ~ ' then value end)') %}
        {%- endfor %}
        {{ list_of_numbers(values) | indent(8) }} as {{ name }},
        {%- endfor %}
        {%- set values = [] %}
        {%- for feature in features %}
        {%- set is_asked = "part = 'coefficient' and feature = '" ~ feature ~ "'" %}
        {%- do values.append('coalesce(max(case when ' ~ is_asked ~ ' then value end), 0)') %}
        {%- endfor %}
        {{ list_of_numbers(values) | indent(8) }} as coefficients,
        -- noqa: enable=LT02
        max(case when part = 'intercept' then value end) as intercept,
        cast(max(case when part = 'shape' and name = 'trees' then value end) as bigint) as trees,
        max(case when part = 'shape' and name = 'baseline' then value end) as baseline,
        {{ list_in_order(split_feature, 'number', "part = 'split_feature'") }} as split_features,
        {{ list_in_order('value', 'number', "part = 'split_threshold'") }} as split_thresholds,
        {{ list_in_order('value', 'number', "part = 'leaf'") }} as leaves,
        {{ list_in_order('value', 'number', "part = 'knot' and name = 'x'") }} as knots_x,
        {{ list_in_order('value', 'number', "part = 'knot' and name = 'y'") }} as knots_y,
        max(case when part = 'sigmoid' and name = 'a' then value end) as sigmoid_a,
        max(case when part = 'sigmoid' and name = 'b' then value end) as sigmoid_b,
        max(case when part = 'model' then name end) as model,
        target,
        as_of as fitted_as_of
    from fit
    group by target, as_of
)

select * from parameters
